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
constexpr std::uint16_t tag_proof = 3;
constexpr std::uint16_t tag_message_id = 4;
constexpr std::uint16_t critical = 0x8000;  // beside a tag: whoever does not know it must hold the message
constexpr std::uint16_t tag_binary = 5 | critical;
constexpr std::uint16_t tag_not_before =
    8 | critical;  // a reader that does not know it would send it too early
constexpr std::uint16_t tag_tls_need = 6 | critical;  // a reader that does not know it might send it in clear
constexpr std::uint16_t tag_once = 7;

constexpr std::size_t max_status = 16;   // "5.999.999"
constexpr std::size_t max_address = 64;  // an IP address in words
constexpr std::size_t max_placed = 100;  // different answers, and proofs, in one outcome

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

// What several recipients of an outcome share, and of which it is, by their place there.
template <class Ptr>
struct Placed {
  Ptr shared;
  std::vector<std::uint16_t> of;
};

void put_places(std::string& value, const std::vector<std::uint16_t>& of) {
  put(value, static_cast<std::uint16_t>(of.size()));
  for (const std::uint16_t index : of) put(value, index);
}

bool read_places(ByteReader& in, std::size_t octets, std::vector<std::uint16_t>& of) {
  const auto count = in.get<std::uint16_t>();
  if (count > octets / 2) return false;
  for (std::uint16_t i = 0; i < count; ++i) of.push_back(in.get<std::uint16_t>());
  return in.done();
}

void put_placed(std::string& out, const Answer& answer, const std::vector<std::uint16_t>& of) {
  std::string value;
  put_text(value, text::printable(answer.status, max_status), max_status);
  put_text(value, text::printable(answer.host, max_text), max_text);
  put_text(value, text::printable(answer.address, max_address), max_address);
  put_places(value, of);
  put_attribute(out, tag_answer, value);
}

bool read_placed(std::string_view octets, Placed<AnswerPtr>& read) {
  ByteReader in(octets);
  auto answer = std::make_shared<Answer>();
  answer->status = get_plain_text(in, max_status);
  answer->host = get_plain_text(in, max_text);
  answer->address = get_plain_text(in, max_address);
  read.shared = std::move(answer);
  return read_places(in, octets.size(), read.of);
}

void put_placed(std::string& out, const ProofText& proof, const std::vector<std::uint16_t>& of) {
  std::string value(proof.digest.begin(), proof.digest.end());
  const bool fits = proof.text.size() <= max_proof_text;
  put(value, static_cast<std::uint32_t>(fits ? proof.text.size() : 0));
  if (fits) value += proof.text;
  put_places(value, of);
  put_attribute(out, tag_proof, value);
}

bool read_placed(std::string_view octets, Placed<ProofTextPtr>& read) {
  ByteReader in(octets);
  auto proof = std::make_shared<ProofText>();
  const std::string_view digest = in.take(proof->digest.size());
  std::copy(digest.begin(), digest.end(), proof->digest.begin());
  const auto length = in.get<std::uint32_t>();
  if (length > max_proof_text) return false;
  proof->text = in.take(length);
  read.shared = std::move(proof);
  return read_places(in, octets.size(), read.of);
}

// Recipients with the same stand together: most outcomes have one answer and one proof.
template <class Ptr>
void put_of_recipients(std::string& out, const Outcome& outcome, Ptr RecipientOutcome::*member) {
  std::vector<Placed<Ptr>> all;
  for (std::size_t i = 0; i < outcome.recipients.size(); ++i) {
    const Ptr& shared = outcome.recipients[i].*member;
    if (!shared) continue;
    auto at = std::find_if(all.begin(), all.end(), [&](const Placed<Ptr>& other) {
      return other.shared == shared || *other.shared == *shared;
    });
    if (at == all.end()) {
      if (all.size() == max_placed) continue;
      at = all.insert(at, Placed<Ptr>{shared, {}});
    }
    at->of.push_back(static_cast<std::uint16_t>(i));
  }
  for (const Placed<Ptr>& placed : all) put_placed(out, *placed.shared, placed.of);
}

template <class Ptr>
Taken take_of_recipients(std::string_view value, Outcome& outcome, Ptr RecipientOutcome::*member) {
  Placed<Ptr> placed;
  if (!read_placed(value, placed) || placed.of.empty()) return Taken::broken;
  for (const std::uint16_t index : placed.of) {
    if (index >= outcome.recipients.size() || outcome.recipients[index].*member) return Taken::broken;
    outcome.recipients[index].*member = placed.shared;
  }
  return Taken::yes;
}

Taken take_account(std::string_view value, Envelope& envelope) {
  ByteReader in(value);
  std::string account = get_plain_text(in, max_text);
  if (!in.done() || account.empty() || !envelope.account.empty()) return Taken::broken;
  envelope.account = std::move(account);
  return Taken::yes;
}

Taken take_message_id(std::string_view value, Envelope& envelope) {
  if (value.size() != envelope.message_id.size() || has_message_id(envelope)) return Taken::broken;
  std::transform(value.begin(), value.end(), envelope.message_id.begin(),
                 [](char c) { return static_cast<std::uint8_t>(c); });
  return has_message_id(envelope) ? Taken::yes : Taken::broken;
}

Taken take_binary(std::string_view value, Envelope& envelope) {
  if (!value.empty() || envelope.body != BodyType::eight_bit_mime) return Taken::broken;
  envelope.body = BodyType::binary;
  return Taken::yes;
}

Taken take_tls_need(std::string_view value, Envelope& envelope) {
  TlsNeed& need = envelope.flags.tls_need;
  if (value.size() != 1 || need != TlsNeed::none) return Taken::broken;
  if (value.front() == 1) need = TlsNeed::encrypt;
  if (value.front() == 2) need = TlsNeed::verify;
  return need == TlsNeed::none ? Taken::broken : Taken::yes;
}

Taken take_once(std::string_view value, Envelope& envelope) {
  OnceMark mark;
  if (value.size() != mark.key.size() + mark.content.size() || envelope.once) return Taken::broken;
  std::copy_n(value.begin(), mark.key.size(), mark.key.begin());
  std::copy_n(value.begin() + mark.key.size(), mark.content.size(), mark.content.begin());
  envelope.once = std::make_shared<const OnceMark>(mark);
  return Taken::yes;
}

Taken take_not_before(std::string_view value, Envelope& envelope) {
  ByteReader in(value);
  const SystemTime time = in.time();
  if (!in.done() || time <= SystemTime{} || envelope.not_before != SystemTime{}) return Taken::broken;
  envelope.not_before = time;
  return Taken::yes;
}

Taken take_of_message(const Attribute& one, MessageRecord& record) {
  switch (one.tag) {
    case tag_account: return take_account(one.value, record.envelope);
    case tag_message_id: return take_message_id(one.value, record.envelope);
    case tag_binary: return take_binary(one.value, record.envelope);
    case tag_tls_need: return take_tls_need(one.value, record.envelope);
    case tag_once: return take_once(one.value, record.envelope);
    case tag_not_before: return take_not_before(one.value, record.envelope);
    default: record.unknown += one.whole; return Taken::unknown;
  }
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
  if (has_message_id(record.envelope))
    put_attribute(out, tag_message_id,
                  std::string(record.envelope.message_id.begin(), record.envelope.message_id.end()));
  if (record.envelope.body == BodyType::binary) put_attribute(out, tag_binary, "");
  if (record.envelope.flags.tls_need != TlsNeed::none)
    put_attribute(out, tag_tls_need,
                  std::string(1, record.envelope.flags.tls_need == TlsNeed::verify ? '\2' : '\1'));
  if (record.envelope.once) {
    const OnceMark& mark = *record.envelope.once;
    std::string value(mark.key.begin(), mark.key.end());
    value.append(mark.content.begin(), mark.content.end());
    put_attribute(out, tag_once, value);
  }
  if (record.envelope.not_before != SystemTime{}) {
    std::string value;
    put_time(value, record.envelope.not_before);
    put_attribute(out, tag_not_before, value);
  }
  out += record.unknown;
  return out;
}

std::string attributes_of(const OutcomeRecord& record) {
  std::string out;
  put_of_recipients(out, record.outcome, &RecipientOutcome::answer);
  put_of_recipients(out, record.outcome, &RecipientOutcome::proof);
  return out;
}

std::string attributes_of(const RelocateRecord& record) {
  std::string out = attributes_of(record.message);
  if (record.last_answer) put_placed(out, *record.last_answer, {});
  return out;
}

bool read_attributes(std::string_view octets, MessageRecord& record, bool& beyond) {
  return each_attribute(octets, beyond, [&](const Attribute& one) { return take_of_message(one, record); });
}

bool read_attributes(std::string_view octets, OutcomeRecord& record, bool& beyond) {
  return each_attribute(octets, beyond, [&](const Attribute& one) {
    switch (one.tag) {
      case tag_answer: return take_of_recipients(one.value, record.outcome, &RecipientOutcome::answer);
      case tag_proof: return take_of_recipients(one.value, record.outcome, &RecipientOutcome::proof);
      default: return Taken::unknown;
    }
  });
}

bool read_attributes(std::string_view octets, RelocateRecord& record, bool& beyond) {
  return each_attribute(octets, beyond, [&](const Attribute& one) {
    if (one.tag != tag_answer) return take_of_message(one, record.message);
    Placed<AnswerPtr> placed;
    if (!read_placed(one.value, placed) || !placed.of.empty() || record.last_answer) return Taken::broken;
    record.last_answer = std::move(placed.shared);
    return Taken::yes;
  });
}

bool pass_over_attributes(std::string_view octets, bool& beyond) {
  return each_attribute(octets, beyond, [](const Attribute&) { return Taken::unknown; });
}

}  // namespace sealpost::spool
