// SPDX-License-Identifier: Apache-2.0
#include "dns/answer_parser.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "dns/wire_reader.hpp"

namespace sealpost::dns {

namespace {

constexpr std::uint16_t type_ns = 2, type_soa = 6, type_opt = 41;
constexpr std::uint16_t class_in = 1;
constexpr std::uint8_t rcode_noerror = 0, rcode_nxdomain = 3;

enum class Section : std::uint8_t { answer, authority, additional };

struct Record {
  Section section;
  std::string owner;
  std::uint16_t type;
  std::uint16_t klass;
  std::uint32_t ttl;
  WireReader data;
};

struct Header {
  std::uint16_t id, flags;
  std::array<std::uint16_t, 4> counts;  // question, answer, authority, additional
  bool is_response() const noexcept { return (flags & 0x8000) != 0 && (flags & 0x7800) == 0; }
  bool truncated() const noexcept { return (flags & 0x0200) != 0; }
  bool authenticated() const noexcept { return (flags & 0x0020) != 0; }
  std::uint8_t rcode() const noexcept { return flags & 0x0F; }
};

Error malformed(const char* what) {
  return Error(Errc::protocol, std::string("malformed DNS answer: ") + what);
}

std::string rcode_text(std::uint8_t rcode) {
  static constexpr std::array<std::string_view, 6> names = {"NOERROR",  "FORMERR", "SERVFAIL",
                                                            "NXDOMAIN", "NOTIMP",  "REFUSED"};
  if (rcode < names.size()) return std::string(names[rcode]);
  return rcode == 16 ? "BADVERS" : "rcode " + std::to_string(rcode);
}

Header read_header(WireReader& reader) {
  Header header{};
  header.id = reader.u16();
  header.flags = reader.u16();
  for (auto& count : header.counts) count = reader.u16();
  return header;
}

// Only what an answer is made of is kept; the rest is stepped over.
bool of_interest(const Record& record, RrType asked) noexcept {
  switch (record.section) {
    case Section::answer:
      return record.klass == class_in && (record.type == static_cast<std::uint16_t>(RrType::cname) ||
                                          record.type == static_cast<std::uint16_t>(asked));
    case Section::authority:
      return record.klass == class_in && (record.type == type_soa || record.type == type_ns);
    case Section::additional: return record.type == type_opt;
  }
  return false;
}

Record read_record(WireReader& reader, Section section) {
  Record record{section, reader.name(), reader.u16(), reader.u16(), reader.u32(), WireReader({})};
  if (record.ttl & 0x80000000u) record.ttl = 0;  // RFC 2181 §8
  const std::uint16_t length = reader.u16();
  record.data = reader.part(length);
  return record;
}

// False: the message ends before its counts say.
bool read_records(WireReader& reader, const Header& header, RrType asked, std::vector<Record>& into) {
  constexpr std::array sections = {Section::answer, Section::authority, Section::additional};
  for (std::size_t i = 0; i < sections.size(); ++i) {
    for (unsigned left = header.counts[i + 1]; left > 0; --left) {
      Record record = read_record(reader, sections[i]);
      if (!reader.ok()) return false;
      if (of_interest(record, asked)) into.push_back(std::move(record));
    }
  }
  return true;
}

bool read_mx(WireReader data, Answer& into) {
  Mx mx;
  mx.preference = data.u16();
  mx.exchange = data.name();
  if (!data.ok() || !data.at_end()) return false;
  into.mx.push_back(std::move(mx));
  return true;
}

template <std::size_t N, class Make>
bool read_address(WireReader data, Make make, Answer& into) {
  const auto octets = data.octets(N);
  if (!data.ok() || !data.at_end()) return false;
  std::array<std::uint8_t, N> bytes{};
  std::ranges::copy(octets, bytes.begin());
  into.addresses.push_back(make(bytes));
  return true;
}

// RFC 1035 §3.3.14: one or more strings. They are joined with nothing between them (RFC 8461 §3.1, RFC 8460
// §3).
bool read_text(WireReader data, Answer& into) {
  std::string text;
  if (data.at_end()) return false;
  while (data.ok() && !data.at_end()) {
    const auto part = data.octets(data.u8());
    text.append(part.begin(), part.end());
  }
  if (!data.ok()) return false;
  into.texts.push_back(std::move(text));
  return true;
}

// RFC 6698 §2.1. A record without association data is well-formed here; usable_for_smtp() turns it away.
bool read_tlsa(WireReader data, Answer& into) {
  TlsaRecord record;
  record.usage = data.u8();
  record.selector = data.u8();
  record.matching = data.u8();
  if (!data.ok()) return false;
  while (!data.at_end()) record.data.push_back(data.u8());
  into.tlsa.push_back(std::move(record));
  return true;
}

bool read_data(RrType type, const WireReader& data, Answer& into) {
  switch (type) {
    case RrType::a: return read_address<4>(data, IpAddress::v4, into);
    case RrType::aaaa: return read_address<16>(data, IpAddress::v6, into);
    case RrType::mx: return read_mx(data, into);
    case RrType::txt: return read_text(data, into);
    case RrType::tlsa: return read_tlsa(data, into);
    case RrType::cname: return true;  // read as aliases
    case RrType::soa: return true;    // only its being there counts
  }
  return false;
}

// RFC 6891 §6.1.3: the OPT record carries the upper bits of the rcode.
Expected<std::uint8_t> full_rcode(const Header& header, const std::vector<Record>& records) {
  const Record* opt = nullptr;
  for (const Record& record : records) {
    if (record.section != Section::additional) continue;
    if (opt) return malformed("two OPT records");
    opt = &record;
  }
  if (!opt) return header.rcode();
  const auto rcode = (opt->ttl >> 24) << 4 | header.rcode();
  return static_cast<std::uint8_t>(std::min<std::uint32_t>(rcode, 255));
}

class AnswerBuilder {
 public:
  AnswerBuilder(const Question& question, const std::vector<Record>& records, ParsedAnswer& into)
      : question_(question), records_(records), into_(into), answer_(into.answer) {}

  Expected<void> build(std::uint8_t rcode) {
    if (auto chain = follow_aliases(); !chain) return chain;
    if (auto data = collect(); !data) return data;
    if (rcode == rcode_nxdomain) return absent(Status::nxdomain);
    if (found_) {
      answer_.status = Status::found;
      answer_.ttl = std::min(ttl_, ttl_cap);
      return {};
    }
    return absent(Status::no_data);
  }

 private:
  static constexpr auto cname = static_cast<std::uint16_t>(RrType::cname);

  // From the name asked for along its CNAMEs, which may stand in any order. Asked for a CNAME, the first is
  // the answer.
  Expected<void> follow_aliases() {
    answer_.canonical = question_.name;
    while (true) {
      Alias alias;
      for (const Record& record : records_) {
        if (record.section != Section::answer || record.type != cname || record.owner != answer_.canonical)
          continue;
        WireReader data = record.data;
        std::string target = data.name();
        if (!data.ok() || !data.at_end()) return malformed("CNAME");
        if (!alias.owner.empty() && alias.target != target) return malformed("two CNAMEs at one name");
        alias = Alias{record.owner, std::move(target)};
        ttl_ = std::min(ttl_, record.ttl);
      }
      if (alias.owner.empty()) return {};
      if (answer_.aliases.size() == alias_cap)
        return Error(Errc::protocol, "CNAME chain loops or is too long");
      answer_.aliases.push_back(alias);
      if (question_.type == RrType::cname) {
        found_ = true;
        return {};
      }
      answer_.canonical = alias.target;
    }
  }

  Expected<void> collect() {
    const auto wanted = static_cast<std::uint16_t>(question_.type);
    for (const Record& record : records_) {
      if (record.section != Section::answer || record.type != wanted || record.owner != answer_.canonical)
        continue;
      if (!read_data(question_.type, record.data, answer_)) return malformed("record data");
      ttl_ = std::min(ttl_, record.ttl);
      found_ = true;
    }
    return {};
  }

  // RFC 2308 §2.2, §5. Without a SOA nothing says how long the absence holds, and NS records alone are a
  // referral: the server did not look further, so nothing is known.
  Expected<void> absent(Status status) {
    answer_.mx.clear();
    answer_.addresses.clear();
    answer_.texts.clear();
    answer_.tlsa.clear();
    answer_.status = status;
    bool referral = false;
    for (const Record& record : records_) {
      if (record.section != Section::authority) continue;
      if (record.type == type_ns) referral = true;
      if (record.type != type_soa) continue;
      WireReader data = record.data;
      data.name();
      data.name();
      data.octets(16);  // serial, refresh, retry, expire
      const std::uint32_t minimum = data.u32();
      if (!data.ok() || !data.at_end()) return malformed("SOA");
      answer_.ttl = std::min({record.ttl, minimum, ttl_, negative_ttl_cap});
      return {};
    }
    answer_.ttl = 0;
    if (status == Status::nxdomain) return {};
    if (!answer_.aliases.empty()) {
      into_.incomplete = true;
    } else if (referral) {
      return Error(Errc::protocol, "the server gave a referral: it does not resolve for us");
    }
    return {};
  }

  const Question& question_;
  const std::vector<Record>& records_;
  ParsedAnswer& into_;
  Answer& answer_;
  std::uint32_t ttl_ = ttl_cap;
  bool found_ = false;
};

}  // namespace

std::string_view name_of(RrType type) noexcept {
  switch (type) {
    case RrType::a: return "A";
    case RrType::cname: return "CNAME";
    case RrType::soa: return "SOA";
    case RrType::mx: return "MX";
    case RrType::txt: return "TXT";
    case RrType::aaaa: return "AAAA";
    case RrType::tlsa: return "TLSA";
  }
  return "?";
}

Expected<ParsedAnswer> parse_answer(std::span<const std::uint8_t> message, const Question& question) {
  WireReader reader(message);
  const Header header = read_header(reader);
  if (!reader.ok() || !header.is_response()) return malformed("header");

  ParsedAnswer parsed;
  parsed.id = header.id;
  parsed.truncated = header.truncated();
  parsed.authenticated = header.authenticated();
  Answer& answer = parsed.answer;
  answer.rcode = header.rcode();
  if (header.counts[0] == 0 && answer.rcode != rcode_noerror && answer.rcode != rcode_nxdomain) {
    answer.why = rcode_text(answer.rcode);  // FORMERR and NOTIMP may come without the question
    return parsed;
  }
  const std::string asked = header.counts[0] == 1 ? reader.name() : std::string();
  const bool same_type = reader.u16() == static_cast<std::uint16_t>(question.type);
  const bool same_class = reader.u16() == class_in;
  if (!reader.ok() || asked != question.name || !same_type || !same_class)
    return malformed("not our question");

  std::vector<Record> records;
  // A truncated message is only good for its header: what it holds may end anywhere (RFC 2181 §9).
  if (parsed.truncated) return parsed;
  if (!read_records(reader, header, question.type, records)) return malformed("it ends inside a record");
  auto rcode = full_rcode(header, records);
  if (!rcode) return rcode.error();
  answer.rcode = *rcode;
  if (answer.rcode != rcode_noerror && answer.rcode != rcode_nxdomain) {
    answer.why = rcode_text(answer.rcode);
    return parsed;
  }
  if (auto built = AnswerBuilder(question, records, parsed).build(answer.rcode); !built) return built.error();
  return parsed;
}

}  // namespace sealpost::dns
