// SPDX-License-Identifier: Apache-2.0
#include "ledger/verify.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <set>

#include "base/text.hpp"
#include "ledger/chain.hpp"

namespace sealpost::ledger {
namespace {

// What stands between `begin` and the next quote or comma: our own rows are written in one way (payload.hpp).
std::string_view value_after(std::string_view payload, std::string_view begin) {
  const auto at = payload.find(begin);
  if (at == std::string_view::npos) return {};
  payload.remove_prefix(at + begin.size());
  return payload.substr(0, payload.find_first_of("\",}"));
}

// Of base64url without padding; "": it is none.
std::string octets_of_digest(std::string_view digest) {
  std::string text(digest);
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  text.resize((text.size() + 3) / 4 * 4, '=');
  return text::from_base64(text).value_or(std::string());
}

class Verifier {
 public:
  Verifier(Reader& reader, const Trust& trust) : reader_(reader), trust_(trust) {}

  Expected<Verified> run() {
    auto days = reader_.days();
    if (!days) return days.error();
    auto counted = reader_.counted_days();
    if (!counted) return counted.error();
    counted_ = std::move(*counted);
    if (auto done = read_keys(); !done) return done.error();
    for (const std::string& text : trust_.heads) sort_in(text);
    for (const ReadDay& day : *days)
      if (auto done = look_at(day); !done) return done.error();
    look_at_newest();
    for (const std::int64_t day : pruned_)
      if (day > pruned_through_) say(day, 0, "is marked as pruned, but no row says that it was");
    for (const auto& other : others_) {
      if (!compared_.count(other.second.day))
        say(other.second.day, other.second.first,
            "a head of it (" + other.second.date +
                ") was kept elsewhere, but it is not in the ledger: it was cut off");
    }
    if (auto done = look_at_proofs(); !done) return done.error();
    std::stable_sort(result_.breaks.begin(), result_.breaks.end(),
                     [](const Break& a, const Break& b) { return a.day < b.day; });
    return std::move(result_);
  }

 private:
  void say(std::int64_t day, std::int64_t row, std::string what) {
    const bool told = std::any_of(result_.breaks.begin(), result_.breaks.end(),
                                  [&](const Break& other) { return other.day == day; });
    if (!told) result_.breaks.push_back({day, row, std::move(what)});
  }

  Expected<void> read_keys() {
    auto keys = reader_.keys();
    if (!keys) return keys.error();
    keys_ = std::move(*keys);
    if (!trust_.public_key.empty()) trusted_.insert(fingerprint_of(trust_.public_key));
    for (const ReadKey& key : keys_) {
      if (fingerprint_of(key.public_key) != key.fingerprint) continue;
      public_keys_[key.fingerprint] = key.public_key;
      // In the order in which they came: each is worth what the one before says of it.
      const auto former = public_keys_.find(key.signed_by);
      if (trusted_.count(key.signed_by) != 0 && former != public_keys_.end() &&
          signature_holds(former->second, key.public_key, key.signature))
        trusted_.insert(key.fingerprint);
    }
    return {};
  }

  // Copies of heads: of one day the one that reaches farthest counts, a sealed one before all.
  void sort_in(const std::string& text) {
    auto head = parse_head(text);
    if (!head) return;
    auto at = others_.find(head->day);
    if (at == others_.end())
      others_.emplace(head->day, std::move(*head));
    else if (head->sealed || (!at->second.sealed && head->last > at->second.last))
      at->second = std::move(*head);
  }

  Expected<void> look_at(const ReadDay& day) {
    ++result_.days;
    if (!day.address_key) ++result_.erased_days;
    if (day.number != newest_.day + 1)
      say(newest_.day + 1, newest_.last + 1, "is missing, with its head and its rows");
    auto head = parse_head(day.head);
    if (!head) {
      say(day.number, 0, "its head cannot be read");
      newest_.day = day.number;
      return {};
    }
    look_at_head(day, *head);
    if (result_.first_date.empty()) result_.first_date = head->date;
    result_.last_date = head->date;
    const auto other = others_.find(day.number);
    if (other != others_.end()) {
      compared_.insert(day.number);
      ++result_.heads_compared;
      if (other->second.sealed && to_text(other->second) != day.head)
        say(day.number, 0, "its head is not the one that was kept elsewhere");
    }
    Expected<void> done;
    if (day.pruned) {
      ++result_.pruned_days;
      pruned_.push_back(day.number);
    } else {
      done = look_at_rows(*head, other == others_.end() ? nullptr : &other->second);
    }
    newest_ = std::move(*head);
    newest_text_ = day.head;
    return done;
  }

  void look_at_head(const ReadDay& day, const Head& head) {
    if (head.day != day.number || head.date != day.date)
      say(day.number, 0, "its head is that of another day");
    const Sha256 previous = newest_.day == 0 ? Sha256{} : sha256(newest_text_);
    if (head.previous != previous)
      say(day.number, head.first, "its head does not follow from the head before it");
    if (head.first != newest_.last + 1)
      say(day.number, newest_.last + 1, "its rows do not follow those of the day before");
    if (newest_.day != 0 && !newest_.sealed)
      say(newest_.day, newest_.last, "was never sealed, but a day follows it");
    const auto key = public_keys_.find(head.key);
    if (key == public_keys_.end())
      say(day.number, 0, "its head names a key that is not in the ledger: " + head.key);
    else if (!signature_holds(key->second, day.head, day.signature))
      say(day.number, 0, "the signature of its head does not hold: the head, or all the day, was rewritten");
  }

  Expected<void> look_at_rows(const Head& head, const Head* other) {
    chain_.begin(head.previous);
    counts_.clear();
    std::int64_t expected = head.first;
    bool broken = false;
    const auto wrong = [&](std::int64_t row, std::string what) {
      say(head.day, row, std::move(what));
      broken = true;
      return false;
    };
    auto read = reader_.rows_of_day(head.day, [&](const ReadRow& row) {
      if (row.number != expected)
        return wrong(expected, row.number > expected
                                   ? "is missing"
                                   : "row " + std::to_string(row.number) + " stands where it was to follow");
      if (expected > head.last) return wrong(expected, "was added behind the end that the head names");
      chain_.add(row.payload);
      if (chain_.check() != row.hash_start)
        return wrong(
            expected,
            "is not what was written here: it was changed, or something was dropped, added or moved");
      if (other != nullptr && expected == other->last && chain_.hash() != other->hash)
        return wrong(expected, "the rows up to here are not those of the head that was kept elsewhere");
      look_into(row);
      ++expected;
      ++result_.rows;
      return true;
    });
    if (result_.first_row == 0) result_.first_row = head.first;
    result_.last_row = expected - 1;
    if (!read) {
      if (read.error().code != Errc::damaged) return read;
      wrong(expected, read.error().detail);
    }
    if (broken) return {};
    if (expected != head.last + 1)
      say(head.day, expected,
          "is missing, with all rows up to " + std::to_string(head.last) + " that the head names");
    else if (chain_.hash() != head.hash)
      say(head.day, head.first,
          "the rows of the day are not those that its head was signed for: they were written anew");
    if (other != nullptr && !other->sealed && other->last > head.last)
      say(head.day, head.last + 1,
          "is missing: a head that was kept elsewhere reaches to row " + std::to_string(other->last));
    if (counted_.count(head.day) != 0) {
      const auto counts = reader_.tally_of_day(head.day);
      if (!counts) return counts.error();
      if (*counts != counts_)
        say(head.day, 0, "the counts from which statements are made are not those of its rows");
    }
    return {};
  }

  void look_into(const ReadRow& row) {
    constexpr std::string_view pruned = "{\"k\":\"pruned\"";
    if (row.payload.substr(0, pruned.size()) == pruned) {
      const std::string_view through = value_after(row.payload, "\"through\":");
      std::int64_t day = 0;
      std::from_chars(through.data(), through.data() + through.size(), day);
      pruned_through_ = std::max(pruned_through_, day);
    }
    constexpr std::string_view rules = "{\"k\":\"rules\"";
    if (row.payload.starts_with(rules) && row.payload.find(",\"set\":1") != std::string_view::npos)
      rules_.emplace(value_after(row.payload, ",\"new\":\""), row.number);
    const std::string_view digest = value_after(row.payload, ",\"pf\":\"");
    if (!digest.empty() && row.payload.find(",\"r\":") != std::string_view::npos)
      ++counts_[{octets_of_digest(digest), std::string(value_after(row.payload, "{\"k\":\""))}];
    if (digest.empty() || digest == last_digest_) return;
    last_digest_ = digest;
    if (row.payload.find(",\"lost\":1") == std::string_view::npos) proofs_.emplace(digest, row.number);
  }

  Expected<void> look_at_proofs() {
    for (const auto& one : proofs_) {
      auto proof = reader_.proof(octets_of_digest(one.first));
      if (!proof) return proof.error();
      if (!proof->empty()) continue;
      if (result_.missing_proofs++ == 0)
        result_.breaks.push_back({0, one.second, "names a proof that is not there, or not what it was"});
    }
    for (const auto& one : rules_) {
      const auto octets = text::from_hex(one.first);
      auto rules = reader_.rules(octets ? std::string(octets->begin(), octets->end()) : std::string());
      if (!rules) return rules.error();
      if (!rules->empty()) continue;
      result_.breaks.push_back({0, one.second, "names a set of rules that is not there, or not what it was"});
      break;
    }
    return {};
  }

  void look_at_newest() {
    result_.newest_head = newest_text_;
    result_.key = newest_.key;
    result_.key_given = trusted_.count(newest_.key) != 0;
    if (newest_.day != 0 && !trust_.public_key.empty() && !result_.key_given)
      say(newest_.day, 0,
          "the newest head is signed by key " + newest_.key +
              ", which is not the given one and does not follow from it");
  }

  Reader& reader_;
  const Trust& trust_;
  std::vector<ReadKey> keys_;
  std::map<std::string, std::string> public_keys_;
  std::set<std::string> trusted_;
  std::map<std::int64_t, Head> others_;
  std::set<std::int64_t> compared_;
  std::vector<std::int64_t> pruned_;
  std::int64_t pruned_through_ = 0;
  std::map<std::string, std::int64_t> proofs_;  // digest as in the rows, the first row that names it
  std::map<std::string, std::int64_t> rules_;   // digest of a set in hexadecimal, the first row that names it
  std::set<std::int64_t> counted_;
  std::map<std::pair<std::string, std::string>, std::int64_t> counts_;  // of the day: digest and kind, rows
  std::string last_digest_;
  Head newest_;
  std::string newest_text_;
  Chain chain_;
  Verified result_;
};

}  // namespace

Expected<Verified> verify(Reader& reader, const Trust& trust) { return Verifier(reader, trust).run(); }

Expected<std::vector<std::string>> read_heads(const std::string& path) {
  std::ifstream file(path);
  if (!file) return Error(Errc::not_found, path + ": cannot be read");
  std::vector<std::string> heads;
  for (std::string line; std::getline(file, line);) {
    const auto begin = line.find("{\"ledger_head\"");
    const auto end = line.find('}', begin == std::string::npos ? 0 : begin);
    if (begin == std::string::npos || end == std::string::npos) continue;
    heads.push_back(line.substr(begin, end + 1 - begin));
  }
  return heads;
}

}  // namespace sealpost::ledger
