// SPDX-License-Identifier: Apache-2.0
#include "ledger/questions.hpp"

#include <algorithm>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "ledger/chain.hpp"
#include "ledger/kinds.hpp"
#include "ledger/store.hpp"
#include "ledger/words.hpp"

namespace sealpost::ledger {
namespace {

constexpr std::size_t most_blocks = 256;     // unpacked at once: some 20 MB
constexpr std::size_t most_proofs = 10'000;  // parsed

std::string text_in(const Json& object, const char* key) {
  const auto at = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

// Of a digest or commitment as a payload has it.
std::string octets_in(const Json& object, const char* key) {
  std::string text = text_in(object, key);
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  text.resize((text.size() + 3) / 4 * 4, '=');
  return text::from_base64(text).value_or(std::string());
}

std::string quoted(const char* key, std::string_view value) {
  return "\"" + std::string(key) + "\":\"" + std::string(value) + "\"";
}

bool in_range(const std::string& date, const std::string& from, const std::string& to) {
  return (from.empty() || date >= from) && (to.empty() || date <= to);
}

void add_once(std::vector<MessageId>& ids, const MessageId& id) {
  if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
}

}  // namespace

Expected<const std::vector<ReadDay>*> Questions::days() {
  if (!days_) {
    auto read = reader_.days();
    if (!read) return read.error();
    for (const ReadDay& day : *read)
      if (const auto head = parse_head(day.head)) firsts_.emplace_back(head->first, day.number);
    days_ = std::move(*read);
  }
  const std::vector<ReadDay>* all = &*days_;
  return all;
}

std::int64_t Questions::day_of(std::int64_t row) const {
  const auto after =
      std::upper_bound(firsts_.begin(), firsts_.end(), row,
                       [](std::int64_t number, const auto& first) { return number < first.first; });
  return after == firsts_.begin() ? 0 : std::prev(after)->second;
}

Expected<const Questions::Lines*> Questions::block(std::int64_t number) {
  auto at = blocks_.find(number);
  if (at == blocks_.end()) {
    if (blocks_.size() >= most_blocks) blocks_.clear();
    Lines lines;
    auto read = reader_.rows_of_block(number, [&](const ReadRow& row) {
      Line line;
      line.number = row.number;
      line.payload = row.payload;
      if (row.address) line.address = std::string(*row.address);
      lines.push_back(std::move(line));
      return true;
    });
    if (!read) return read.error();
    at = blocks_.emplace(number, std::move(lines)).first;
  }
  const Lines* lines = &at->second;
  return lines;
}

Expected<Json> Questions::proof_of(const Json& payload) {
  const std::string digest = octets_in(payload, "pf");
  if (digest.empty()) return Json();
  const auto at = proofs_.find(digest);
  if (at != proofs_.end()) return at->second;
  auto text = reader_.proof(digest);
  if (!text) return text.error();
  Json proof = Json::parse(*text, nullptr, false);
  if (!proof.is_object()) proof = Json();
  if (proofs_.size() >= most_proofs) proofs_.clear();
  proofs_[digest] = proof;
  return proof;
}

Expected<FoundRow> Questions::found(const Line& line) {
  FoundRow row;
  row.number = line.number;
  row.day = day_of(line.number);
  row.address = line.address;
  row.payload = Json::parse(line.payload, nullptr, false);
  if (!row.payload.is_object())
    return Error(Errc::damaged,
                 "row " + std::to_string(line.number) + " cannot be read; 'evidence verify' says more");
  auto proof = proof_of(row.payload);
  if (!proof) return proof.error();
  row.proof = std::move(*proof);
  return row;
}

Expected<std::vector<FoundRow>> Questions::trail(const MessageId& id) {
  if (auto read = days(); !read) return read.error();
  auto blocks = reader_.blocks_of_message(key_of(id));
  if (!blocks) return blocks.error();
  blocks->push_back(0);
  const std::string self = quoted("id", id.to_string()), caused = quoted("for", id.to_string());
  std::vector<FoundRow> trail;
  for (const std::int64_t number : *blocks) {
    auto lines = block(number);
    if (!lines) return lines.error();
    for (const Line& line : **lines) {
      if (line.payload.find(self) == std::string::npos && line.payload.find(caused) == std::string::npos)
        continue;
      auto row = found(line);
      if (!row) return row.error();
      trail.push_back(std::move(*row));
    }
  }
  return trail;
}

Expected<std::vector<MessageId>> Questions::with_message_id(std::string_view text) {
  const std::string digest = sha256_octets(text).substr(0, 16);
  const std::string wanted = quoted("mid", short_text(digest));
  auto all = days();
  if (!all) return all.error();
  std::vector<std::int64_t> blocks;
  for (const ReadDay& day : **all) {
    auto of_day = reader_.blocks_of_word(day.number, word_of(digest));
    if (!of_day) return of_day.error();
    blocks.insert(blocks.end(), of_day->begin(), of_day->end());
  }
  blocks.push_back(0);
  std::vector<MessageId> ids;
  for (const std::int64_t number : blocks) {
    auto lines = block(number);
    if (!lines) return lines.error();
    for (const Line& line : **lines) {
      if (line.payload.find(wanted) == std::string::npos) continue;
      auto row = found(line);
      if (!row) return row.error();
      if (const auto id = MessageId::parse(text_in(row->payload, "id"))) add_once(ids, *id);
    }
  }
  return ids;
}

Expected<std::vector<MessageId>> Questions::for_recipient(std::string_view address, const std::string& from,
                                                          const std::string& to, std::size_t most) {
  auto all = days();
  if (!all) return all.error();
  std::vector<MessageId> ids;
  Commitments commitments;
  for (auto day = (*all)->rbegin(); day != (*all)->rend() && ids.size() < most; ++day) {
    // Without the day's key nobody can tell any more whose rows those are.
    if (!day->address_key || !in_range(day->date, from, to)) continue;
    commitments.use(*day->address_key);
    const std::string commitment = commitments.of(address);
    const std::string wanted = quoted("to", short_text(commitment));
    auto blocks = reader_.blocks_of_word(day->number, word_of(commitment));
    if (!blocks) return blocks.error();
    if (day == (*all)->rbegin()) blocks->push_back(0);
    for (auto number = blocks->rbegin(); number != blocks->rend(); ++number) {
      auto lines = block(*number);
      if (!lines) return lines.error();
      for (auto line = (*lines)->rbegin(); line != (*lines)->rend() && ids.size() < most; ++line) {
        if (line->payload.find(wanted) == std::string::npos) continue;
        auto row = found(*line);
        if (!row) return row.error();
        if (const auto id = MessageId::parse(text_in(row->payload, "id"))) add_once(ids, *id);
      }
    }
  }
  return ids;
}

Expected<std::vector<FoundRow>> Questions::rule_changes(const std::string& from, const std::string& to) {
  auto all = days();
  if (!all) return all.error();
  std::vector<FoundRow> changes;
  for (auto day = (*all)->begin(); day != (*all)->end(); ++day) {
    if (!in_range(day->date, from, to)) continue;
    auto blocks = reader_.blocks_of_word(day->number, rules_word());
    if (!blocks) return blocks.error();
    if (std::next(day) == (*all)->end()) blocks->push_back(0);
    for (const std::int64_t number : *blocks) {
      auto lines = block(number);
      if (!lines) return lines.error();
      for (const Line& line : **lines) {
        if (!line.payload.starts_with("{\"k\":\"rules\"")) continue;
        auto row = found(line);
        if (!row) return row.error();
        changes.push_back(std::move(*row));
      }
    }
  }
  return changes;
}

Expected<bool> Questions::fits(const Filter& filter, const FoundRow& row) {
  const std::string kind = text_in(row.payload, "k");
  if (!filter.kinds.empty() &&
      std::find(filter.kinds.begin(), filter.kinds.end(), kind) == filter.kinds.end())
    return false;
  if (!filter.domain.empty()) {
    const std::string address = row.address.value_or(std::string());
    const auto at = address.rfind('@');
    const bool outcome = row.payload.contains("r");
    const bool theirs =
        outcome && at != std::string::npos && text::iequals(address.substr(at + 1), filter.domain);
    if (!theirs && !text::iequals(text_in(row.proof, "domain"), filter.domain)) return false;
  }
  if (!filter.partner.empty() && !text::iequals(text_in(row.proof, "partner"), filter.partner)) return false;
  if (filter.exceptions && !by_exception(row.proof)) return false;
  if (filter.refused && text_in(row.proof, "verdict") != "refuse") return false;
  return true;
}

Expected<std::size_t> Questions::each(const Filter& filter, const std::function<void(const FoundRow&)>& see) {
  auto all = days();
  if (!all) return all.error();
  std::size_t fitting = 0;
  std::optional<Error> trouble;
  for (const ReadDay& day : **all) {
    if (day.pruned || !in_range(day.date, filter.from, filter.to)) continue;
    auto read = reader_.rows_of_day(day.number, [&](const ReadRow& row) {
      Line line;
      line.number = row.number;
      line.payload = row.payload;
      if (row.address) line.address = std::string(*row.address);
      auto one = found(line);
      if (!one) {
        trouble = one.error();
        return false;
      }
      auto wanted = fits(filter, *one);
      if (!wanted) {
        trouble = wanted.error();
        return false;
      }
      if (!*wanted) return true;
      if (++fitting <= filter.most) see(*one);
      return true;
    });
    if (trouble) return *trouble;
    if (!read) return read.error();
  }
  return fitting;
}

}  // namespace sealpost::ledger
