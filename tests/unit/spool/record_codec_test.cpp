// SPDX-License-Identifier: Apache-2.0
#include "spool/record_codec.hpp"

#include <doctest.h>

#include <random>

#include "spool/bytes.hpp"
#include "spool/crc32c.hpp"
#include "spool_world.hpp"

using namespace sealpost;
using namespace sealpost::spool;

namespace {

MessageRecord rich_message() {
  MessageRecord record;
  record.envelope = message_of(1, "", 3).envelope;
  record.envelope.body = BodyType::eight_bit_mime;
  record.envelope.message_class = MessageClass::report;
  record.envelope.flags.requiretls = true;
  record.envelope.smtputf8 = true;
  record.envelope.ret = 2;
  record.envelope.envid = std::string("env\0id\r\n", 8);
  record.envelope.recipients[1].original = "rfc822;Other@example.org";
  record.envelope.recipients[1].notify = 5;
  record.envelope.account = "alice";
  record.envelope.message_id = {7, 0, 255};
  record.envelope.flags.tls_need = TlsNeed::verify;
  record.envelope.once = std::make_shared<const OnceMark>(OnceMark{{1, 0, 2}, {3, 255}});
  record.envelope.not_before = SystemTime(std::chrono::seconds(1'800'000'000));
  record.chunks = {Extent{7, 4144, 100, 0xDEADBEEF}, Extent{8, 8240, 4u << 20, 1}};
  return record;
}

std::vector<Record> one_of_each() {
  OutcomeRecord outcome;
  outcome.outcome.when = SystemTime(std::chrono::seconds(1));
  outcome.outcome.next_attempt = SystemTime(std::chrono::seconds(-5));
  outcome.outcome.delay_notice_sent = true;
  outcome.outcome.refused_since = SystemTime(std::chrono::seconds(1'700'000'050));
  const auto answer = [](const char* status, const char* host, const char* address) {
    Answer made;
    made.status = status;
    made.host = host;
    made.address = address;
    return std::make_shared<const Answer>(std::move(made));
  };
  outcome.outcome.recipients.emplace_back(2, RecipientState::held, "450 4.2.1 \xC3\xA9",
                                          answer("4.2.1", "mx1.example", "192.0.2.25"));
  outcome.outcome.recipients.emplace_back(3, RecipientState::pending, "", nullptr);
  ProofText proof;
  proof.digest = {'\x01', '\xFF'};
  proof.text = R"({"asked":"everything"})";
  outcome.outcome.recipients.front().proof = std::make_shared<const ProofText>(proof);
  outcome.outcome.recipients.emplace_back(4, RecipientState::pending, "no route", answer("4.4.1", "", ""));
  RelocateRecord relocate;
  relocate.message = rich_message();
  relocate.progress.resize(3);
  relocate.progress[1].state = RecipientState::failed;
  relocate.progress[2].attempting = true;
  relocate.progress[2].delay_notice_sent = true;
  relocate.progress[2].refused_since = SystemTime(std::chrono::seconds(1'700'000'060));
  relocate.progress[2].interrupted = 200;
  relocate.progress[2].attempts = 40'000;
  relocate.progress[2].next_attempt = SystemTime(std::chrono::seconds(99));
  relocate.held = true;
  relocate.hold_reason = "because";
  relocate.last_reply = "250 ok";
  relocate.last_answer = answer("2.0.0", "mx1.example", "2001:db8::25");
  return {BodyPartRecord(),
          rich_message(),
          AttemptRecord{{0, 7, 4'000'000'000u}},
          outcome,
          HoldRecord{"why"},
          ReleaseRecord(),
          relocate,
          WithdrawRecord(),
          CleanStopRecord(),
          DrainingRecord(),
          RerouteRecord{{1, 2}, "[smtp.example.net]:587"}};
}

// A head that is read must say what was written: compared by writing it again.
void check_round_trip(const Record& record) {
  const auto type = static_cast<std::uint8_t>(type_of(record));
  const auto [head, flags] = encode_head(record);
  const auto read = decode_head(type, head, flags);
  REQUIRE(read);
  CHECK_FALSE(read->beyond);
  CHECK(read->record.index() == record.index());
  CHECK(encode_head(read->record).octets == head);
  for (std::size_t length = 0; length < head.size(); ++length)
    CHECK_FALSE(decode_head(type, head.substr(0, length), flags));
  CHECK_FALSE(decode_head(type, head + '\0', flags));
}

}  // namespace

TEST_CASE(
    "CRC-32C gives the values of RFC 3720 App. B.4, by instruction and by table, in one piece and in two") {
  CHECK(crc32c(0, "123456789") == 0xE3069283);
  CHECK(crc32c(0, std::string(32, '\0')) == 0x8A9136AA);
  CHECK(crc32c(0, std::string(32, '\xFF')) == 0x62A8AB43);
  std::mt19937 random(7);
  for (std::size_t length = 0; length < 200; ++length) {
    std::string octets(length, '\0');
    for (char& octet : octets) octet = static_cast<char>(random());
    const std::uint32_t whole = crc32c(0, octets);
    CHECK(crc32c_portable(0, octets) == whole);
    const std::size_t cut = length == 0 ? 0 : random() % length;
    CHECK(crc32c(crc32c(0, octets.substr(0, cut)), octets.substr(cut)) == whole);
  }
}

TEST_CASE("T-54: every record reads back as written, and no part of one is taken for a whole") {
  std::uint8_t type = 1;
  for (const Record& record : one_of_each()) {
    CHECK(static_cast<std::uint8_t>(type_of(record)) == type++);
    check_round_trip(record);
  }
}

TEST_CASE("T-54: what a message record carries arrives") {
  const auto [head, flags] = encode_head(Record(rich_message()));
  const auto read = decode_head(2, head, flags);
  REQUIRE(read);
  const auto& message = std::get<MessageRecord>(read->record);
  const Envelope& envelope = message.envelope;
  CHECK(envelope.reverse_path == "sender@origin.example");
  CHECK(envelope.envid == std::string("env\0id\r\n", 8));
  CHECK(envelope.flags.requiretls);
  CHECK_FALSE(envelope.flags.tls_required_no);
  CHECK(envelope.message_class == MessageClass::report);
  CHECK(envelope.recipients[1].original == "rfc822;Other@example.org");
  CHECK(envelope.recipients[1].notify == 5);
  CHECK(envelope.arrival == SystemTime(std::chrono::seconds(1'700'000'001)));
  CHECK(envelope.account == "alice");
  CHECK(envelope.message_id == rich_message().envelope.message_id);
  CHECK(envelope.flags.tls_need == TlsNeed::verify);
  CHECK(envelope.not_before == rich_message().envelope.not_before);
  REQUIRE(envelope.once);
  CHECK(*envelope.once == *rich_message().envelope.once);
  CHECK(message.chunks == rich_message().chunks);
}

TEST_CASE("what an outcome says of each recipient arrives: the status, and whose word it was") {
  const Record record = one_of_each()[3];
  const auto [head, flags] = encode_head(record);
  const auto read = decode_head(4, head, flags);
  REQUIRE(read);
  const auto& recipients = std::get<OutcomeRecord>(read->record).outcome.recipients;
  REQUIRE(recipients.size() == 3);
  CHECK(recipients[0].answer->status == "4.2.1");
  CHECK(recipients[0].answer->host == "mx1.example");
  CHECK(recipients[0].answer->address == "192.0.2.25");
  CHECK_FALSE(recipients[1].answer);
  CHECK(recipients[2].answer->status == "4.4.1");
  CHECK(recipients[2].answer->host.empty());
  REQUIRE(recipients[0].proof);
  CHECK(*recipients[0].proof == *std::get<OutcomeRecord>(record).outcome.recipients[0].proof);
  CHECK_FALSE(recipients[1].proof);
}

TEST_CASE("D-11: binary mail is held by a release that would send it as lines") {
  MessageRecord record = rich_message();
  record.envelope.body = BodyType::binary;
  const auto [head, flags] = encode_head(record);
  const auto read = decode_head(2, head, flags);
  REQUIRE(read);
  CHECK(std::get<MessageRecord>(read->record).envelope.body == BodyType::binary);
  CHECK_FALSE(read->beyond);
  // Head and attribute as another release reads them: 8BITMIME, and something critical that it does not know.
  record.envelope.body = BodyType::eight_bit_mime;
  const auto lines = encode_head(record);
  CHECK(head.substr(0, 60) == lines.octets.substr(0, 60));
  CHECK(head.find(std::string("\x05\x80\0\0\0\0", 6)) != std::string::npos);
  // Of 7-bit mail, or twice, it means nothing that anybody wrote.
  record.envelope.body = BodyType::seven_bit;
  record.unknown = std::string("\x05\x80\0\0\0\0", 6);
  auto broken = encode_head(record);
  CHECK_FALSE(decode_head(2, broken.octets, broken.flags));
  record.envelope.body = BodyType::binary;
  broken = encode_head(record);
  CHECK_FALSE(decode_head(2, broken.octets, broken.flags));
}

TEST_CASE("a proof that is too long is named by its digest alone") {
  OutcomeRecord record;
  record.outcome.recipients.emplace_back(0, RecipientState::delivered, "");
  ProofText proof;
  proof.digest = {'\x02'};
  for (const std::size_t length : {max_proof_text, max_proof_text + 1}) {
    proof.text.assign(length, 'x');
    record.outcome.recipients[0].proof = std::make_shared<const ProofText>(proof);
    const auto [head, flags] = encode_head(record);
    const auto read = decode_head(4, head, flags);
    REQUIRE(read);
    const auto& found = std::get<OutcomeRecord>(read->record).outcome.recipients[0].proof;
    REQUIRE(found);
    CHECK(found->digest == proof.digest);
    CHECK(found->text == (length > max_proof_text ? "" : proof.text));
  }
}

TEST_CASE("recipients that were answered alike share one attribute, however many they are") {
  OutcomeRecord record;
  Answer answer;
  answer.status = "2.1.5";
  answer.host = "mx1.example";
  const auto add = [&](std::uint32_t recipient) {
    record.outcome.recipients.emplace_back(recipient, RecipientState::delivered, "",
                                           std::make_shared<const Answer>(answer));
  };
  add(0);
  const std::size_t one = encode_head(record).octets.size();
  for (std::uint32_t i = 1; i < 1000; ++i) add(i);
  const auto [head, flags] = encode_head(record);
  CHECK(head.size() == one + 999 * (7 + 2));
  const auto read = decode_head(4, head, flags);
  REQUIRE(read);
  const auto& recipients = std::get<OutcomeRecord>(read->record).outcome.recipients;
  CHECK(recipients[999].answer == recipients[0].answer);
}

namespace {

MessageRecord without_attributes(MessageRecord record) {
  record.envelope.account.clear();
  record.envelope.message_id = {};
  record.envelope.flags.tls_need = TlsNeed::none;
  record.envelope.once = nullptr;
  record.envelope.not_before = SystemTime{};
  return record;
}

// A head whose attributes are these.
std::string with_attributes(std::string head, const std::string& attributes) {
  put(head, static_cast<std::uint32_t>(attributes.size()));
  return head + attributes;
}
std::string attribute(std::uint16_t tag, const std::string& value) {
  std::string out;
  put(out, tag);
  put(out, static_cast<std::uint32_t>(value.size()));
  return out + value;
}

}  // namespace

TEST_CASE("D-11: an attribute of a later release is passed over, and holds its message when it is critical") {
  const MessageRecord plain = without_attributes(rich_message());
  const std::string head = encode_head(plain).octets;
  const std::string later = attribute(0x7FFE, "what nobody knows yet");
  auto read = decode_head(2, with_attributes(head, later), record_flag::attributes);
  REQUIRE(read);
  CHECK_FALSE(read->beyond);
  // It goes where the message goes, until a release reads it.
  CHECK(encode_head(read->record).octets == with_attributes(head, later));

  const std::string critical = attribute(0xFFFE, "");
  read = decode_head(2, with_attributes(head, later + critical), record_flag::attributes);
  REQUIRE(read);
  CHECK(read->beyond);
  CHECK(encode_head(read->record).octets == with_attributes(head, later + critical));

  for (const Record& record : one_of_each()) {
    if (encode_head(record).flags != 0) continue;
    const auto type = static_cast<std::uint8_t>(type_of(record));
    const std::string other = encode_head(record).octets;
    CHECK_FALSE(decode_head(type, with_attributes(other, later), record_flag::attributes)->beyond);
    CHECK(decode_head(type, with_attributes(other, critical), record_flag::attributes)->beyond);
  }
  // Behind the attributes, too, a flag may say that more follows.
  read = decode_head(2, with_attributes(head, later) + "more", record_flag::attributes | 0x10);
  REQUIRE(read);
  CHECK(read->beyond);
}

TEST_CASE("T-23 D-11: what a host is called can be read again, whatever octets it has") {
  OutcomeRecord record;
  Answer answer;
  answer.status = "2.0.0\r\n";
  answer.host = std::string("mx\0.example\x1b[2J\xFF", 16);
  answer.address = std::string(200, '\x7F');
  record.outcome.recipients.emplace_back(0, RecipientState::delivered, "250 ok",
                                         std::make_shared<const Answer>(answer));
  const auto [head, flags] = encode_head(record);
  const auto read = decode_head(4, head, flags);
  REQUIRE(read);
  const auto& recipient = std::get<OutcomeRecord>(read->record).outcome.recipients[0];
  CHECK(recipient.state == RecipientState::delivered);
  CHECK(recipient.answer->status == "2.0.0\\x0d\\x0a");
  CHECK(recipient.answer->host == "mx\\x00.example\\x1b[2J\\xff");

  Envelope envelope = rich_message().envelope;
  CHECK(check_bounds(envelope));
  envelope.account = "al\nice";
  CHECK(check_bounds(envelope).error().code == Errc::invalid);
}

TEST_CASE("T-54 T-23: an attribute that breaks its format is not believed though its checksum holds") {
  const MessageRecord plain = without_attributes(rich_message());
  const std::string message = encode_head(plain).octets;
  const auto refused = [&](const std::string& attributes) {
    return !decode_head(2, with_attributes(message, attributes), record_flag::attributes);
  };
  const auto text = [](const std::string& value) {
    std::string out;
    put_text(out, value, max_text);
    return out;
  };
  CHECK_FALSE(refused(attribute(1, text("alice"))));
  CHECK(refused(attribute(1, text("al\nice"))));
  CHECK(refused(attribute(1, text(""))));
  CHECK(refused(attribute(1, text("alice") + "!")));
  CHECK(refused(attribute(1, text("alice")) + attribute(1, text("bob"))));
  CHECK(refused(attribute(1, text("alice")).substr(0, 9)));
  CHECK(refused(std::string(5, '\0')));
  CHECK_FALSE(refused(attribute(4, std::string(16, 'd'))));
  CHECK(refused(attribute(4, std::string(15, 'd'))));
  CHECK(refused(attribute(4, std::string(16, '\0'))));  // that is how "none" is said
  CHECK(refused(attribute(4, std::string(16, 'd')) + attribute(4, std::string(16, 'd'))));
  constexpr std::uint16_t tls_need = 0x8006;
  CHECK_FALSE(refused(attribute(tls_need, "\1")));
  CHECK_FALSE(refused(attribute(tls_need, "\2")));
  for (const std::string& value :
       {std::string(), std::string(1, '\0'), std::string("\3"), std::string("\1\1")})
    CHECK(refused(attribute(tls_need, value)));
  CHECK(refused(attribute(tls_need, "\2") + attribute(tls_need, "\1")));
  CHECK_FALSE(refused(attribute(7, std::string(32, 'k'))));
  CHECK(refused(attribute(7, std::string(31, 'k'))));
  CHECK(refused(attribute(7, std::string(32, 'k')) + attribute(7, std::string(32, 'l'))));
  constexpr std::uint16_t not_before = 0x8008;
  const std::string some_time("\x40\x22\x44\xe3\xb7\x49\x06\x00", 8);
  CHECK_FALSE(refused(attribute(not_before, some_time)));
  CHECK(refused(attribute(not_before, some_time.substr(1))));
  CHECK(refused(attribute(not_before, some_time + "!")));
  for (const char octet : {'\0', '\xff'})
    CHECK(refused(attribute(not_before, std::string(8, octet))));  // no time at all
  CHECK(refused(attribute(not_before, some_time) + attribute(not_before, some_time)));
  const std::string endless("\x01\x00\xFF\xFF\xFF\xFF", 6);
  CHECK(refused(endless));

  OutcomeRecord outcome;
  outcome.outcome.recipients.emplace_back(7, RecipientState::pending, "");
  const std::string head = encode_head(outcome).octets;
  const auto refused_answer = [&](const std::string& attributes) {
    return !decode_head(4, with_attributes(head, attributes), record_flag::attributes);
  };
  const auto answer = [&](const std::string& host, std::vector<std::uint16_t> of) {
    std::string value = text("4.4.1") + text(host) + text("");
    put(value, static_cast<std::uint16_t>(of.size()));
    for (const std::uint16_t index : of) put(value, index);
    return attribute(2, value);
  };
  const auto proof = [&](std::uint32_t claimed, const std::string& octets, std::vector<std::uint16_t> of) {
    std::string value(32, 'd');
    put(value, claimed);
    value += octets;
    put(value, static_cast<std::uint16_t>(of.size()));
    for (const std::uint16_t index : of) put(value, index);
    return attribute(3, value);
  };
  CHECK_FALSE(refused_answer(proof(2, "{}", {0})));
  CHECK_FALSE(refused_answer(proof(0, "", {0})));
  CHECK(refused_answer(proof(2, "{}", {})));
  CHECK(refused_answer(proof(2, "{}", {1})));
  CHECK(refused_answer(proof(2, "{}", {0, 0})));
  CHECK(refused_answer(proof(3, "{}", {0})));
  CHECK(refused_answer(proof(0xFFFFFFFF, "{}", {0})));
  CHECK(refused_answer(proof(2, "{}", {0}) + proof(2, "{}", {0})));
  CHECK_FALSE(refused_answer(answer("mx.example", {0})));
  CHECK(refused_answer(answer("mx.example\x1b[2J", {0})));
  CHECK(refused_answer(answer("mx.example", {1})));
  CHECK(refused_answer(answer("mx.example", {0, 0})));
  CHECK(refused_answer(answer("mx.example", {})));
  CHECK(refused_answer(answer("mx.example", {0}) + answer("mx2.example", {0})));
}

TEST_CASE("T-23 T-54: a message record with an insane field is refused though its checksum holds") {
  const auto refused = [](const std::function<void(Envelope&)>& spoil) {
    MessageRecord record = rich_message();
    spoil(record.envelope);
    const auto [head, flags] = encode_head(Record(record));
    return !decode_head(2, head, flags);
  };
  CHECK(refused([](Envelope& e) { e.recipients[0].address = "a@b.example>\r\nDATA"; }));
  CHECK(refused([](Envelope& e) { e.recipients[0].address = std::string("a\0@b.example", 12); }));
  CHECK(refused([](Envelope& e) { e.recipients[0].address = ""; }));
  CHECK(refused([](Envelope& e) { e.recipients[0].address = "no-domain"; }));
  CHECK(refused([](Envelope& e) { e.recipients[0].original = "rfc822;a\nb"; }));
  CHECK(refused([](Envelope& e) { e.reverse_path = "a@b.example\r\n"; }));
  CHECK(refused([](Envelope& e) { e.reverse_path = "a b@c.example"; }));
  CHECK(refused([](Envelope& e) { e.received_from = "x\x1b[2J"; }));
  CHECK(refused([](Envelope& e) { e.account = "x\r\n"; }));
  CHECK(refused([](Envelope& e) { e.recipients.clear(); }));
  CHECK(refused([](Envelope& e) { e.ret = 3; }));
  CHECK(refused([](Envelope& e) { e.message_class = static_cast<MessageClass>(3); }));
  CHECK_FALSE(refused([](Envelope& e) { e.reverse_path = ""; }));
  CHECK_FALSE(refused([](Envelope& e) { e.recipients[0].address = "postmaster"; }));
  // What lenient syntax lets in (ADR 32) must be readable after any restart.
  CHECK_FALSE(refused([](Envelope& e) { e.recipients[0].address = std::string(244, 'l') + "@b.example"; }));
  CHECK_FALSE(refused([](Envelope& e) { e.recipients[0].address = "\"try..this\"@b.example"; }));
  CHECK_FALSE(refused([](Envelope& e) { e.reverse_path = "a@_under_.example"; }));
  // But not what it mends on the way in: a last dot would be another domain to partner rules.
  for (const char* raw :
       {"b@d.example.", "b@d.example ", " b@d.example", "try..this@d.example", "@x.example:b@d.example"})
    CHECK(refused([raw](Envelope& e) { e.recipients[0].address = raw; }));
}

TEST_CASE("T-28 T-54: counts that promise more than is there allocate nothing") {
  std::string head(4, '\xFF');
  CHECK_FALSE(decode_head(3, head));
  head.append(64, '\0');
  CHECK_FALSE(decode_head(3, head));
  CHECK_FALSE(decode_head(4, std::string(17, '\0') + std::string(4, '\xFF') + std::string(64, '\0')));
}

TEST_CASE("T-54: random heads of every type end in a value or an error") {
  std::mt19937 random(11);
  for (int round = 0; round < 20'000; ++round) {
    const auto records = one_of_each();
    auto [head, flags] = encode_head(records[random() % records.size()]);
    for (unsigned i = 0, changes = random() % 4; i < changes && !head.empty(); ++i)
      head[random() % head.size()] = static_cast<char>(random());
    const auto type = static_cast<std::uint8_t>(random() % 12);
    const auto read = decode_head(type, head, flags);
    if (!read || type < 1 || type > 11) continue;
    const auto [again, same_flags] = encode_head(read->record);
    if (flags == 0) CHECK(again == head);
    // Attributes that are not known there are left out; what is left reads as itself.
    const auto reread = decode_head(type, again, same_flags);
    REQUIRE(reread);
    CHECK(encode_head(reread->record).octets == again);
  }
}

TEST_CASE("D-11: a type of a later release is known as unknown, whatever its head") {
  const auto read = decode_head(200, "anything at all");
  REQUIRE(read);
  CHECK(std::get<UnknownRecord>(read->record).type == 200);
}

TEST_CASE("D-26: a segment header says its version before anything else, and nothing newer is read") {
  SegmentHeader header;
  header.sequence = 5;
  header.size = 1u << 20;
  std::string octets = encode_segment_header(header);
  CHECK(octets.size() == segment_header_size);
  CHECK(decode_segment_header(octets).value() == header);
  octets[8] = 3;
  CHECK(decode_segment_header(octets).error().code == Errc::unavailable);
  octets[8] = 2;
  for (std::size_t at = 0; at < 128; ++at) {
    std::string spoilt = octets;
    spoilt[at] = static_cast<char>(spoilt[at] ^ 0x40);
    const auto read = decode_segment_header(spoilt);
    REQUIRE_FALSE(read);
    const bool in_version = at >= 8 && at < 12;
    CHECK(read.error().code == (in_version ? Errc::unavailable : Errc::invalid));
  }
  CHECK(decode_segment_header(octets.substr(0, 127)).error().code == Errc::invalid);
}

TEST_CASE("D-03: a record header holds only in its own segment and its own use of the file") {
  SegmentHeader segment;
  segment.sequence = 9;
  segment.salt = 1234;
  RecordHeader header;
  header.type = 5;
  header.id = id_of(3);
  std::string octets(record_header_size, '\0');
  store_record_header(octets.data(), header, seed_of(segment));
  RecordHeader read;
  CHECK(decode_record_header(octets, seed_of(segment), read));
  CHECK(read.id == id_of(3));
  SegmentHeader other = segment;
  other.sequence = 10;
  CHECK_FALSE(decode_record_header(octets, seed_of(other), read));
  other = segment;
  other.salt = 1235;  // the same number, another use
  CHECK_FALSE(decode_record_header(octets, seed_of(other), read));
  for (std::size_t bit = 0; bit < octets.size() * 8; ++bit) {
    std::string spoilt = octets;
    spoilt[bit / 8] = static_cast<char>(spoilt[bit / 8] ^ (1 << (bit % 8)));
    CHECK_FALSE(decode_record_header(spoilt, seed_of(segment), read));
  }
}

TEST_CASE("what is too long for a record is refused before it is written") {
  Envelope envelope = message_of(1, "").envelope;
  CHECK(check_bounds(envelope));
  envelope.envid.assign(max_text + 1, 'x');
  CHECK(check_bounds(envelope).error().code == Errc::too_long);
  envelope = message_of(1, "", 0).envelope;
  CHECK(check_bounds(envelope).error().code == Errc::invalid);
  envelope = message_of(1, "", max_recipients + 1).envelope;
  CHECK(check_bounds(envelope).error().code == Errc::too_long);
}
