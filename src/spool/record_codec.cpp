// SPDX-License-Identifier: Apache-2.0
#include "spool/record_codec.hpp"

#include <algorithm>
#include <utility>

#include "mail/address.hpp"
#include "spool/attributes.hpp"
#include "spool/bytes.hpp"
#include "spool/crc32c.hpp"

namespace sealpost::spool {
namespace {

constexpr std::string_view magic = "SEALPOST";
// Octets of a segment header before its checksum.
constexpr std::size_t header_fields(std::uint32_t version) noexcept { return version == 1 ? 60 : 124; }
constexpr std::size_t crc_size = 4;

constexpr std::uint8_t flag_requiretls = 1;
constexpr std::uint8_t flag_tls_required_no = 2;
constexpr std::uint8_t flag_smtputf8 = 4;
constexpr std::uint8_t progress_attempting = 1;
constexpr std::uint8_t progress_delay_notice = 2;
constexpr std::uint8_t progress_refused = 4;  // its time follows
constexpr std::uint8_t outcome_delay_notice = 1;
constexpr std::uint8_t outcome_refused = 2;  // its time follows

template <std::unsigned_integral Int>
char* store(char* at, Int value) noexcept {
  for (unsigned i = 0; i < sizeof(Int); ++i) *at++ = static_cast<char>((value >> (8 * i)) & 0xFFu);
  return at;
}

std::uint32_t get32(std::string_view octets, std::size_t at) noexcept {
  return ByteReader(octets.substr(at, 4)).get<std::uint32_t>();
}

void put_envelope(std::string& out, const Envelope& envelope) {
  put_time(out, envelope.arrival);
  // Binary mail says so by an attribute that holds it in a release that would send it as lines.
  put(out, static_cast<std::uint8_t>(std::min(envelope.body, BodyType::eight_bit_mime)));
  put(out, static_cast<std::uint8_t>(envelope.message_class));
  put(out, static_cast<std::uint8_t>((envelope.flags.requiretls ? flag_requiretls : 0) |
                                     (envelope.flags.tls_required_no ? flag_tls_required_no : 0) |
                                     (envelope.smtputf8 ? flag_smtputf8 : 0)));
  put(out, envelope.ret);
  put_text(out, envelope.reverse_path, max_text);
  put_text(out, envelope.envid, max_text);
  put_text(out, envelope.received_from, max_text);
  put(out, static_cast<std::uint32_t>(envelope.recipients.size()));
  for (const Recipient& recipient : envelope.recipients) {
    put(out, recipient.notify);
    put_text(out, recipient.address, max_text);
    put_text(out, recipient.original, max_text);
  }
}

// An address that can stand in a command: it passed the grammar once, and does so again, with nothing left to mend (T-54). "" only where the
// null reverse-path may be.
bool sane_address(std::string_view address) {
  const std::string path = "<" + std::string(address) + ">";
  const auto read = parse_forward_path(path, Utf8::accept, Syntax::lenient);
  return read && read->address == address;
}

// What parsed once has no control character (T-23); what does not hold that any more must not reach a command.
std::string plain_text(ByteReader& in) { return get_plain_text(in, max_text); }

Envelope get_envelope(ByteReader& in) {
  Envelope envelope;
  envelope.arrival = in.time();
  const auto body = in.get<std::uint8_t>();
  const auto message_class = in.get<std::uint8_t>();
  const auto flags = in.get<std::uint8_t>();
  envelope.ret = in.get<std::uint8_t>();
  if (body > static_cast<std::uint8_t>(BodyType::eight_bit_mime) ||
      message_class > static_cast<std::uint8_t>(MessageClass::report) || envelope.ret > 2 ||
      flags > (flag_requiretls | flag_tls_required_no | flag_smtputf8))
    in.fail();
  envelope.body = static_cast<BodyType>(body);
  envelope.message_class = static_cast<MessageClass>(message_class);
  envelope.flags.requiretls = (flags & flag_requiretls) != 0;
  envelope.flags.tls_required_no = (flags & flag_tls_required_no) != 0;
  envelope.smtputf8 = (flags & flag_smtputf8) != 0;
  envelope.reverse_path = plain_text(in);
  if (!envelope.reverse_path.empty() && !sane_address(envelope.reverse_path)) in.fail();
  envelope.envid = std::string(in.text(max_text));  // decoded xtext: any octet
  envelope.received_from = plain_text(in);
  const std::uint32_t count = in.count(5, max_recipients);
  if (count == 0) in.fail();
  envelope.recipients.reserve(count);
  for (std::uint32_t i = 0; i < count && !in.failed(); ++i) {
    Recipient& recipient = envelope.recipients.emplace_back();
    recipient.notify = in.get<std::uint8_t>();
    recipient.address = plain_text(in);
    recipient.original = plain_text(in);
    if (!sane_address(recipient.address)) in.fail();
  }
  return envelope;
}

void put_message(std::string& out, const MessageRecord& record) {
  put_envelope(out, record.envelope);
  put(out, static_cast<std::uint32_t>(record.chunks.size()));
  for (const Extent& chunk : record.chunks) {
    put(out, chunk.segment);
    put(out, chunk.offset);
    put(out, chunk.length);
    put(out, chunk.crc);
  }
}

MessageRecord get_message(ByteReader& in) {
  MessageRecord record;
  record.envelope = get_envelope(in);
  const std::uint32_t chunks = in.count(20, max_head / 20);
  record.chunks.reserve(chunks);
  for (std::uint32_t i = 0; i < chunks; ++i) {
    Extent& chunk = record.chunks.emplace_back();
    chunk.segment = in.get<std::uint64_t>();
    chunk.offset = in.get<std::uint32_t>();
    chunk.length = in.get<std::uint32_t>();
    chunk.crc = in.get<std::uint32_t>();
  }
  return record;
}

void put_outcome(std::string& out, const Outcome& outcome) {
  put_time(out, outcome.when);
  put_time(out, outcome.next_attempt);
  const bool refused = outcome.refused_since != SystemTime{};
  put(out, static_cast<std::uint8_t>((outcome.delay_notice_sent ? outcome_delay_notice : 0) |
                                     (refused ? outcome_refused : 0)));
  if (refused) put_time(out, outcome.refused_since);
  put(out, static_cast<std::uint32_t>(outcome.recipients.size()));
  for (const RecipientOutcome& recipient : outcome.recipients) {
    put(out, recipient.recipient);
    put(out, static_cast<std::uint8_t>(recipient.state));
    put_text(out, recipient.reply, max_reply);
  }
}

bool get_bool(ByteReader& in) {
  const auto value = in.get<std::uint8_t>();
  if (value > 1) in.fail();
  return value == 1;
}

RecipientState get_state(ByteReader& in) {
  const auto state = in.get<std::uint8_t>();
  if (state > static_cast<std::uint8_t>(RecipientState::held)) in.fail();
  return static_cast<RecipientState>(state);
}

Outcome get_outcome(ByteReader& in) {
  Outcome outcome;
  outcome.when = in.time();
  outcome.next_attempt = in.time();
  const auto flags = in.get<std::uint8_t>();
  if (flags > (outcome_delay_notice | outcome_refused)) in.fail();
  outcome.delay_notice_sent = (flags & outcome_delay_notice) != 0;
  if ((flags & outcome_refused) != 0) outcome.refused_since = in.time();
  const std::uint32_t count = in.count(7, max_recipients);
  outcome.recipients.reserve(count);
  for (std::uint32_t i = 0; i < count && !in.failed(); ++i) {
    RecipientOutcome& recipient = outcome.recipients.emplace_back();
    recipient.recipient = in.get<std::uint32_t>();
    recipient.state = get_state(in);
    recipient.reply = std::string(in.text(max_reply));
  }
  return outcome;
}

void put_relocate(std::string& out, const RelocateRecord& record) {
  put_message(out, record.message);
  put(out, static_cast<std::uint8_t>(record.held ? 1 : 0));
  put_text(out, record.hold_reason, max_text);
  put_text(out, record.last_reply, max_reply);
  for (const RecipientProgress& progress : record.progress) {  // as many as the envelope has recipients
    put(out, static_cast<std::uint8_t>(progress.state));
    const bool refused = progress.refused_since != SystemTime{};
    put(out, static_cast<std::uint8_t>((progress.attempting ? progress_attempting : 0) |
                                       (progress.delay_notice_sent ? progress_delay_notice : 0) |
                                       (refused ? progress_refused : 0)));
    put(out, progress.interrupted);
    put(out, progress.attempts);
    put_time(out, progress.next_attempt);
    if (refused) put_time(out, progress.refused_since);
  }
}

RelocateRecord get_relocate(ByteReader& in) {
  RelocateRecord record;
  record.message = get_message(in);
  record.held = get_bool(in);
  record.hold_reason = std::string(in.text(max_text));
  record.last_reply = std::string(in.text(max_reply));
  const std::size_t count = record.message.envelope.recipients.size();
  record.progress.reserve(count);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    RecipientProgress& progress = record.progress.emplace_back();
    progress.state = get_state(in);
    const auto flags = in.get<std::uint8_t>();
    if (flags > (progress_attempting | progress_delay_notice | progress_refused)) in.fail();
    progress.attempting = (flags & progress_attempting) != 0;
    progress.delay_notice_sent = (flags & progress_delay_notice) != 0;
    progress.interrupted = in.get<std::uint8_t>();
    progress.attempts = in.get<std::uint16_t>();
    progress.next_attempt = in.time();
    if ((flags & progress_refused) != 0) progress.refused_since = in.time();
  }
  return record;
}

void put_recipients(std::string& out, const std::vector<std::uint32_t>& recipients) {
  put(out, static_cast<std::uint32_t>(recipients.size()));
  for (const std::uint32_t recipient : recipients) put(out, recipient);
}

std::vector<std::uint32_t> get_recipients(ByteReader& in) {
  std::vector<std::uint32_t> recipients;
  const std::uint32_t count = in.count(4, max_recipients);
  recipients.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) recipients.push_back(in.get<std::uint32_t>());
  return recipients;
}

RerouteRecord get_reroute(ByteReader& in) {
  RerouteRecord record;
  record.recipients = get_recipients(in);
  record.next_hop = plain_text(in);
  return record;
}

struct HeadWriter {
  std::string& out;
  void operator()(const BodyPartRecord&) const {}
  void operator()(const MessageRecord& record) const { put_message(out, record); }
  void operator()(const AttemptRecord& record) const { put_recipients(out, record.recipients); }
  void operator()(const OutcomeRecord& record) const { put_outcome(out, record.outcome); }
  void operator()(const HoldRecord& record) const { put_text(out, record.reason, max_text); }
  void operator()(const ReleaseRecord&) const {}
  void operator()(const RelocateRecord& record) const { put_relocate(out, record); }
  void operator()(const WithdrawRecord&) const {}
  void operator()(const CleanStopRecord&) const {}
  void operator()(const DrainingRecord&) const {}
  void operator()(const RerouteRecord& record) const {
    put_recipients(out, record.recipients);
    put_text(out, record.next_hop, max_text);
  }
  void operator()(const UnknownRecord&) const {}
};

struct AttributeWriter {
  std::string operator()(const MessageRecord& record) const { return attributes_of(record); }
  std::string operator()(const OutcomeRecord& record) const { return attributes_of(record); }
  std::string operator()(const RelocateRecord& record) const { return attributes_of(record); }
  template <class Other>
  std::string operator()(const Other&) const {
    return {};
  }
};

struct AttributeReader {
  std::string_view octets;
  bool& beyond;
  bool operator()(MessageRecord& record) const { return read_attributes(octets, record, beyond); }
  bool operator()(OutcomeRecord& record) const { return read_attributes(octets, record, beyond); }
  bool operator()(RelocateRecord& record) const { return read_attributes(octets, record, beyond); }
  template <class Other>
  bool operator()(Other&) const {
    return pass_over_attributes(octets, beyond);
  }
};

Record get_record(RecordType type, ByteReader& in) {
  switch (type) {
    case RecordType::body_part: return BodyPartRecord();
    case RecordType::message: return get_message(in);
    case RecordType::attempt: return AttemptRecord{get_recipients(in)};
    case RecordType::outcome: return OutcomeRecord{get_outcome(in)};
    case RecordType::hold: return HoldRecord{std::string(in.text(max_text))};
    case RecordType::release: return ReleaseRecord();
    case RecordType::relocate: return get_relocate(in);
    case RecordType::withdraw: return WithdrawRecord();
    case RecordType::clean_stop: return CleanStopRecord();
    case RecordType::draining: return DrainingRecord();
    case RecordType::reroute: return get_reroute(in);
  }
  in = ByteReader({});  // its head is not ours to judge
  return UnknownRecord{static_cast<std::uint8_t>(type)};
}

}  // namespace

std::string encode_segment_header(const SegmentHeader& header) {
  std::string out;
  out.reserve(segment_header_size);
  out.append(magic);
  put(out, header.version);
  put(out, static_cast<std::uint32_t>(segment_header_size));
  put(out, header.sequence);
  put(out, header.salt);
  put(out, header.node);
  put(out, header.size);
  put(out, header.previous_end);
  put_time(out, header.created);
  if (header.version > 1) {
    put(out, std::uint64_t{0});
    put(out, header.oldest);
    put(out, header.first_batch);
  }
  out.resize(header_fields(header.version), '\0');
  put(out, crc32c(0, out));
  out.resize(segment_header_size, '\0');
  return out;
}

Expected<SegmentHeader> decode_segment_header(std::string_view octets) {
  if (octets.size() < header_fields(format_version) + crc_size)
    return Error(Errc::invalid, "shorter than a segment header");
  if (octets.substr(0, magic.size()) != magic)
    return Error(Errc::invalid, "not a segment: the magic is missing");
  ByteReader in(octets.substr(magic.size(), header_fields(format_version) - magic.size()));
  SegmentHeader header;
  header.version = in.get<std::uint32_t>();
  // Looked at before the checksum, whose place a newer version may have moved: refusing to start is the safe
  // side.
  if (header.version > format_version)
    return Error(Errc::unavailable, "format version " + std::to_string(header.version) +
                                        ", this release knows up to " + std::to_string(format_version));
  const std::size_t fields = header_fields(header.version);
  if (header.version < oldest_format_version || crc32c(0, octets.substr(0, fields)) != get32(octets, fields))
    return Error(Errc::invalid, "the checksum of the segment header is wrong");
  const auto header_size = in.get<std::uint32_t>();
  header.sequence = in.get<std::uint64_t>();
  header.salt = in.get<std::uint64_t>();
  header.node = in.get<std::uint64_t>();
  header.size = in.get<std::uint32_t>();
  header.previous_end = in.get<std::uint32_t>();
  header.created = in.time();
  if (header.version > 1) {
    in.get<std::uint64_t>();
    header.oldest = in.get<std::uint64_t>();
    header.first_batch = in.get<std::uint64_t>();
  }
  if (header_size != segment_header_size || header.size < segment_header_size + page_size)
    return Error(Errc::invalid, "the segment header contradicts itself");
  return header;
}

std::uint32_t seed_of(const SegmentHeader& header) noexcept {
  char octets[16];
  store(store(octets, header.sequence), header.salt);
  return crc32c(0, std::string_view(octets, sizeof octets));
}

void store_record_header(char* into, const RecordHeader& header, std::uint32_t seed) noexcept {
  std::fill_n(into, record_header_size, '\0');
  char* at = into + crc_size;
  at = store(at, header.head_length);
  at = store(at, header.blob_length);
  at = store(at, header.head_crc);
  at = store(at, header.blob_crc);
  at = store(at, header.batch);
  at = store(at, header.type);
  at = store(at, header.flags);
  at = store(at, header.void_pages);
  const auto& id = header.id.bytes();
  at = reinterpret_cast<char*>(std::copy(id.begin(), id.end(), reinterpret_cast<unsigned char*>(at)));
  store(at, header.number);
  store(into, crc32c(seed, std::string_view(into + crc_size, record_header_size - crc_size)));
}

bool decode_record_header(std::string_view octets, std::uint32_t seed, RecordHeader& header) noexcept {
  return decode_record_header(octets, octets.size(), seed, header);
}

bool decode_record_header(std::string_view octets, std::size_t room, std::uint32_t seed,
                          RecordHeader& header) noexcept {
  if (octets.size() < record_header_size) return false;
  ByteReader in(octets.substr(0, record_header_size));
  const auto crc = in.get<std::uint32_t>();
  header.head_length = in.get<std::uint32_t>();
  header.blob_length = in.get<std::uint32_t>();
  if (header.head_length > max_head || header.blob_length > max_part || footprint(header) > room)
    return false;
  if (crc32c(seed, octets.substr(crc_size, record_header_size - crc_size)) != crc) return false;
  header.head_crc = in.get<std::uint32_t>();
  header.blob_crc = in.get<std::uint32_t>();
  header.batch = in.get<std::uint32_t>();
  header.type = in.get<std::uint8_t>();
  header.flags = in.get<std::uint8_t>();
  header.void_pages = in.get<std::uint16_t>();
  const std::string_view id = in.take(16);
  std::array<std::uint8_t, 16> bytes{};
  std::copy(id.begin(), id.end(), reinterpret_cast<char*>(bytes.data()));
  header.id = MessageId(bytes);
  header.number = in.get<std::uint32_t>();
  return header.type != 0;
}

bool header_holds(std::string_view octets, std::uint32_t seed) noexcept {
  return octets.size() >= record_header_size && octets[24] != 0 &&
         crc32c(seed, octets.substr(crc_size, record_header_size - crc_size)) == get32(octets, 0);
}

std::uint32_t header_number(std::string_view octets) noexcept { return get32(octets, 44); }

RecordType type_of(const Record& record) noexcept {
  if (const auto* unknown = std::get_if<UnknownRecord>(&record))
    return static_cast<RecordType>(unknown->type);
  return static_cast<RecordType>(record.index() +
                                 1);  // the variant lists the types in order of their numbers
}

EncodedHead encode_head(const Record& record) {
  EncodedHead head;
  std::visit(HeadWriter{head.octets}, record);
  const std::string attributes = std::visit(AttributeWriter(), record);
  if (attributes.empty()) return head;
  head.flags = record_flag::attributes;
  put(head.octets, static_cast<std::uint32_t>(attributes.size()));
  head.octets += attributes;
  return head;
}

Expected<DecodedHead> decode_head(std::uint8_t type, std::string_view head, std::uint8_t flags) {
  ByteReader in(head);
  DecodedHead read;
  read.record = get_record(static_cast<RecordType>(type), in);
  const bool more_follows = (flags & ~record_flag::known) != 0;
  read.beyond = more_follows;
  bool sane = true;
  if ((flags & record_flag::attributes) != 0 && !std::holds_alternative<UnknownRecord>(read.record)) {
    const std::string_view attributes = in.take(in.get<std::uint32_t>());
    sane = !in.failed() && std::visit(AttributeReader{attributes, read.beyond}, read.record);
  }
  if (!sane || (more_follows ? in.failed() : !in.done()))
    return Error(Errc::invalid, "a record of type " + std::to_string(type) + " breaks its format");
  return read;
}

Expected<void> check_bounds(const Envelope& envelope) {
  const auto too_long = [](std::string_view what) {
    return Error(Errc::too_long, std::string(what) + " longer than the spool keeps");
  };
  if (envelope.reverse_path.size() > max_text) return too_long("reverse-path");
  if (envelope.envid.size() > max_text) return too_long("ENVID");
  if (envelope.received_from.size() > max_text) return too_long("client name");
  if (envelope.account.size() > max_text) return too_long("account");
  if (!is_plain(envelope.account)) return Error(Errc::invalid, "an account with a control character");
  if (envelope.recipients.empty()) return Error(Errc::invalid, "a message without recipients");
  if (envelope.recipients.size() > max_recipients) return too_long("list of recipients");
  for (const Recipient& recipient : envelope.recipients)
    if (recipient.address.size() > max_text || recipient.original.size() > max_text)
      return too_long("recipient");
  return {};
}

}  // namespace sealpost::spool
