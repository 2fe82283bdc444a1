// SPDX-License-Identifier: Apache-2.0
#include "spool/attributes.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/text.hpp"

namespace sealpost::spool {
namespace {

// The number on disk. Never reuse one.
constexpr std::uint16_t tag_account = 1;
constexpr std::uint16_t tag_answer = 2;
constexpr std::uint16_t critical = 0x8000;  // beside a tag: whoever does not know it must hold the message

constexpr std::size_t max_status = 16;    // "5.999.999"
constexpr std::size_t max_address = 64;   // an IP address in words
constexpr std::size_t max_answers = 100;  // hosts and codes in one outcome

struct Attribute {
  std::uint16_t tag = 0;
  std::string_view value, whole;  // `whole`: as it stands
};

void put_attribute(std::string& out, std::uint16_t tag, std::string_view value) {
  put(out, tag);
  put(out, static_cast<std::uint32_t>(value.size()));
  out.append(value);
}

// Asks `take` about each: false when it breaks its format, nothing when it is not known there.
enum class Taken : std::uint8_t { yes, unknown, broken };
bool each_attribute(std::string_view octets, bool& beyond,
                    const std::function<Taken(const Attribute&)>& take) {
  ByteReader in(octets);
  std::size_t at = 0;
  while (!in.failed() && !in.done()) {
    Attribute one;
    one.tag = in.get<std::uint16_t>();
    one.value = in.take(in.get<std::uint32_t>());
    if (in.failed()) return false;
    const std::size_t length = 6 + one.value.size();
    one.whole = octets.substr(at, length);
    at += length;
    const Taken taken = take(one);
    if (taken == Taken::broken) return false;
    if (taken == Taken::unknown && (one.tag & critical) != 0) beyond = true;
  }
  return !in.failed();
}

void put_answer(std::string& out, const Answer& answer, const std::vector<std::uint16_t>& of) {
  std::string value;
  put_text(value, text::printable(answer.status, max_status), max_status);
  put_text(value, text::printable(answer.host, max_text), max_text);
  put_text(value, text::printable(answer.address, max_address), max_address);
  put(value, static_cast<std::uint16_t>(of.size()));
  for (const std::uint16_t index : of) put(value, index);
  put_attribute(out, tag_answer, value);
}

// The answer, and of which recipients of the outcome it is, by their place there.
struct PlacedAnswer {
  AnswerPtr answer;
  std::vector<std::uint16_t> of;
};
bool read_answer(std::string_view value, PlacedAnswer& read) {
  ByteReader in(value);
  auto answer = std::make_shared<Answer>();
  answer->status = get_plain_text(in, max_status);
  answer->host = get_plain_text(in, max_text);
  answer->address = get_plain_text(in, max_address);
  const auto count = in.get<std::uint16_t>();
  if (count > value.size() / 2) return false;
  for (std::uint16_t i = 0; i < count; ++i) read.of.push_back(in.get<std::uint16_t>());
  read.answer = std::move(answer);
  return in.done();
}

Taken take_of_message(const Attribute& one, MessageRecord& record) {
  if (one.tag != tag_account) {
    record.unknown += one.whole;
    return Taken::unknown;
  }
  ByteReader in(one.value);
  std::string account = get_plain_text(in, max_text);
  if (!in.done() || account.empty() || !record.envelope.account.empty()) return Taken::broken;
  record.envelope.account = std::move(account);
  return Taken::yes;
}

}  // namespace

bool is_plain(std::string_view text) noexcept {
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x20 || octet == 0x7F;
  });
}

std::string get_plain_text(ByteReader& in, std::size_t most) {
  const std::string_view text = in.text(most);
  if (!is_plain(text)) in.fail();
  return std::string(text);
}

std::string attributes_of(const MessageRecord& record) {
  std::string out;
  if (!record.envelope.account.empty()) {
    std::string value;
    put_text(value, record.envelope.account, max_text);
    put_attribute(out, tag_account, value);
  }
  out += record.unknown;
  return out;
}

// Recipients that were answered alike stand together; most outcomes have one answer.
std::string attributes_of(const OutcomeRecord& record) {
  std::vector<PlacedAnswer> answers;
  const auto& recipients = record.outcome.recipients;
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    const AnswerPtr& answer = recipients[i].answer;
    if (!answer) continue;
    auto at = std::find_if(answers.begin(), answers.end(),
                           [&](const PlacedAnswer& other) { return *other.answer == *answer; });
    if (at == answers.end()) {
      if (answers.size() == max_answers) continue;
      at = answers.insert(at, PlacedAnswer{answer, {}});
    }
    at->of.push_back(static_cast<std::uint16_t>(i));
  }
  std::string out;
  for (const PlacedAnswer& placed : answers) put_answer(out, *placed.answer, placed.of);
  return out;
}

std::string attributes_of(const RelocateRecord& record) {
  std::string out = attributes_of(record.message);
  if (record.last_answer) put_answer(out, *record.last_answer, {});
  return out;
}

bool read_attributes(std::string_view octets, MessageRecord& record, bool& beyond) {
  return each_attribute(octets, beyond, [&](const Attribute& one) { return take_of_message(one, record); });
}

bool read_attributes(std::string_view octets, OutcomeRecord& record, bool& beyond) {
  auto& recipients = record.outcome.recipients;
  return each_attribute(octets, beyond, [&](const Attribute& one) {
    if (one.tag != tag_answer) return Taken::unknown;
    PlacedAnswer placed;
    if (!read_answer(one.value, placed) || placed.of.empty()) return Taken::broken;
    for (const std::uint16_t index : placed.of) {
      if (index >= recipients.size() || recipients[index].answer) return Taken::broken;
      recipients[index].answer = placed.answer;
    }
    return Taken::yes;
  });
}

bool read_attributes(std::string_view octets, RelocateRecord& record, bool& beyond) {
  return each_attribute(octets, beyond, [&](const Attribute& one) {
    if (one.tag != tag_answer) return take_of_message(one, record.message);
    PlacedAnswer placed;
    if (!read_answer(one.value, placed) || !placed.of.empty() || record.last_answer) return Taken::broken;
    record.last_answer = std::move(placed.answer);
    return Taken::yes;
  });
}

bool pass_over_attributes(std::string_view octets, bool& beyond) {
  return each_attribute(octets, beyond, [](const Attribute&) { return Taken::unknown; });
}

}  // namespace sealpost::spool
