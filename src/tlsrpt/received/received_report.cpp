// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/received/received_report.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "base/digest.hpp"
#include "base/i_json.hpp"
#include "base/text.hpp"
#include "mail/address.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost::tlsrpt {
namespace {

using Json = nlohmann::json;
constexpr std::size_t most_notes = 20;
constexpr std::size_t most_policies = 10'000;
constexpr std::size_t most_failures = 50'000;  // of the whole report
constexpr std::size_t most_lines = 1000;       // of one policy
constexpr std::size_t most_text = 1024;        // octets of one string
constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

std::string step(const std::string& where, std::string_view name) { return where + "/" + std::string(name); }

// RFC 3339 in the ways senders miss it: a blank for the T, no seconds, a zone by name, without colon or not at all.
// `how`: which of them; nothing: it is no such time.
std::optional<SystemTime> lenient_time(std::string text, std::string& how) {
  constexpr std::size_t date_size = 10, minutes_size = 16;  // 2026-10-05T00:00
  const auto missed = [&](const char* what) { how += std::string(how.empty() ? "" : ", ") + what; };
  text = text::trim(text);
  if (text.size() < minutes_size) return std::nullopt;
  if (text[date_size] == ' ') {
    text[date_size] = 'T';
    missed("has a blank instead of T");
  }
  const std::string end = text::lower(text.substr(text.size() - 3));
  if (end == "utc" || end == "gmt") {
    text = std::string(text::trim(std::string_view(text).substr(0, text.size() - 3))) + "Z";
    missed("has its zone by name");
  }
  std::size_t zone = text.find_first_of("zZ+- ", minutes_size);
  if (zone == std::string::npos) {
    zone = text.size();
    text += 'Z';
    missed("has no time zone; taken as UTC");
  } else if (text[zone] == ' ') {
    text.erase(zone, 1);
    missed("has a blank before its zone");
  }
  if (text.size() - zone == 5 && text.find(':', zone) == std::string::npos) {  // +0000
    text.insert(zone + 3, ":");
    missed("has a zone without colon");
  }
  if (zone == minutes_size) {
    text.insert(minutes_size, ":00");
    missed("has no seconds");
  }
  return from_rfc3339(text);
}

// The key of a report has a bound whatever it names.
std::string all_domains(const std::vector<ReceivedPolicy>& policies) {
  std::set<std::string> domains;
  for (const ReceivedPolicy& policy : policies) domains.insert(policy.domain);
  std::string all;
  for (const std::string& domain : domains) all += (all.empty() ? "" : " ") + domain;
  return all.size() <= most_text ? all : all.substr(0, most_text - 66) + "# " + sha256_hex(all);
}

// Reads on after something that cannot be: the first such thing is the answer, and what follows is bounded anyway.
class Parser {
 public:
  explicit Parser(std::string domain) : known_domain_(std::move(domain)) {}

  Expected<ReceivedReport> parse(const Json& root) {
    if (!root.is_object()) return Error(Errc::invalid, "the report: is not a JSON object");
    report_.report_id = text_of(root, "", "report-id");
    if (report_.report_id.empty())
      refuse("/report-id", "is missing; without it a report cannot be told from a copy");
    report_.contact = text_of(root, "", "contact-info");
    if (report_.contact.empty()) note("/contact-info", "is missing");
    report_.organization = text_of(root, "", "organization-name");
    if (report_.organization.empty()) {
      report_.organization = after_at(report_.contact);
      if (report_.organization.empty()) refuse("/organization-name", "is missing, and so is contact-info");
      note("/organization-name", "is missing; the domain of contact-info stands for it");
    }
    range(root);
    policies(root);
    if (error_) return *error_;
    report_.domain = all_domains(report_.policies);
    return std::move(report_);
  }

  void note(const std::string& where, const std::string& what) {
    if (report_.notes.size() < most_notes) report_.notes.push_back(where + " " + what);
  }

 private:
  void refuse(const std::string& where, const std::string& why, Errc code = Errc::invalid) {
    if (!error_) error_ = Error(code, where + ": " + why);
  }

  const Json* find(const Json& object, const char* name) {
    const auto found = object.find(name);
    return found == object.end() ? nullptr : &*found;
  }

  // Empty when absent; what is null or no text is noted and taken as absent.
  std::string text_of(const Json& object, const std::string& where, const char* name) {
    const Json* value = find(object, name);
    if (value == nullptr) return {};
    if (!value->is_string()) {
      note(step(where, name), value->is_null() ? "is null" : "is not text");
      return {};
    }
    const auto& text = value->get_ref<const std::string&>();
    if (text.size() > most_text) note(step(where, name), "is longer than 1024 octets and was cut");
    return clean_text(text, most_text);
  }

  // Nothing when it is missing or null: what else says it may stand for it.
  std::optional<std::uint64_t> known_count(const Json& object, const std::string& where, const char* name) {
    const Json* value = find(object, name);
    if (value == nullptr || value->is_null()) return std::nullopt;
    if (value->is_number_unsigned()) return value->get<std::uint64_t>();
    if (value->is_number_float()) {  // 4.0; parse_i_json() has looked at its size
      const double number = value->get<double>();
      if (number >= 0 && std::trunc(number) == number) {
        note(step(where, name), "is written with a fraction");
        return static_cast<std::uint64_t>(number);
      }
    }
    if (value->is_string()) {  // seen in practice
      const auto number = text::parse_u64(text::trim(value->get_ref<const std::string&>()));
      if (number && *number <= most_i_json_number) {
        note(step(where, name), "is text, not a number");
        return *number;
      }
    }
    refuse(step(where, name), "is not a whole number of sessions");
    return 0;
  }

  std::uint64_t count_of(const Json& object, const std::string& where, const char* name,
                         std::uint64_t otherwise = 0) {
    if (const auto known = known_count(object, where, name)) return *known;
    note(step(where, name), std::string(find(object, name) == nullptr ? "is missing" : "is null") +
                                "; taken as " + std::to_string(otherwise));
    return otherwise;
  }

  SystemTime time_of(const Json& range, const char* name) {
    const std::string where = step("/date-range", name);
    const std::string text = text_of(range, "/date-range", name);
    if (const auto time = from_rfc3339(text)) return *time;
    std::string how;
    if (const auto time = lenient_time(text, how)) {
      note(where, how);
      return *time;
    }
    refuse(where,
           text.empty() ? "is missing" : "'" + text::printable(text, 40) + "' is not an RFC 3339 time");
    return {};
  }

  void range(const Json& root) {
    using namespace std::chrono_literals;
    const Json* range = find(root, "date-range");
    if (range == nullptr || !range->is_object()) return refuse("/date-range", "is missing");
    report_.begins = time_of(*range, "start-datetime");
    report_.ends = time_of(*range, "end-datetime");
    if (report_.ends < report_.begins) return refuse("/date-range", "ends before it begins");
    const auto length = report_.ends - report_.begins;
    if (length > 25h)
      note("/date-range", "is longer than a day; all of it is counted for the day in its middle");
    report_.day = to_utc_day(report_.begins + length / 2);
  }

  // An array, or one value where an array should be.
  std::vector<const Json*> items(const Json& object, const std::string& where, const char* name,
                                 bool one_is_usual) {
    std::vector<const Json*> all;
    const Json* value = find(object, name);
    if (value == nullptr) return all;
    if (value->is_array()) {
      for (const Json& item : *value) all.push_back(&item);
    } else if (value->is_null()) {
      note(step(where, name), "is null");
    } else {
      if (!one_is_usual) note(step(where, name), "is not an array");
      all.push_back(value);
    }
    return all;
  }

  std::vector<std::string> lines(const Json& object, const std::string& where, const char* name,
                                 bool one_is_usual) {
    std::vector<std::string> all;
    for (const Json* item : items(object, where, name, one_is_usual)) {
      if (!item->is_string()) {
        note(step(where, name), "holds what is not text");
        continue;
      }
      if (all.size() == most_lines) {
        note(step(where, name), "has more than 1000 lines; the rest was left out");
        break;
      }
      all.push_back(clean_text(item->get_ref<const std::string&>(), most_text));
    }
    return all;
  }

  // A name in lower case; the dot that ends it in DNS is not part of it here.
  std::string host_of(const Json& object, const std::string& where, const char* name) {
    std::string host = text::lower(text_of(object, where, name));
    if (host.size() > 1 && host.ends_with('.')) note(step(where, name), "ends in a dot");
    while (host.size() > 1 && host.ends_with('.')) host.pop_back();
    return host;
  }

  std::string domain_of(const Json& described, const std::string& where) {
    std::string domain = host_of(described, where, "policy-domain");
    if (!domain.empty()) return domain;
    note(step(where, "policy-domain"), known_domain_.empty()
                                           ? std::string("is missing")
                                           : "is missing; taken as " + text::printable(known_domain_, 255) +
                                                 ", as the mail or the file's name says");
    return known_domain_;
  }

  std::string address_of(const Json& object, const std::string& where, const char* name) {
    std::string text = text_of(object, where, name);
    if (text.empty()) return text;
    if (const auto address = IpAddress::parse(text)) return address->to_string();
    note(step(where, name), "is not an IP address");
    return text::printable(text, 64);
  }

  // `otherwise`: its sessions, where the report leaves the number out.
  ReceivedFailure failure(const Json& item, const std::string& where, std::uint64_t otherwise) {
    ReceivedFailure failure;
    if (!item.is_object()) {
      refuse(where, "is not an object");
      return failure;
    }
    failure.detail.result_type = text::lower(text_of(item, where, "result-type"));
    if (failure.detail.result_type.empty()) note(step(where, "result-type"), "is missing");
    failure.detail.sending_ip = address_of(item, where, "sending-mta-ip");
    failure.detail.mx_host = host_of(item, where, "receiving-mx-hostname");
    failure.detail.mx_helo = text_of(item, where, "receiving-mx-helo");
    failure.detail.receiving_ip = address_of(item, where, "receiving-ip");
    failure.detail.reason_code = text_of(item, where, "failure-reason-code");
    failure.information = text_of(item, where, "additional-information");
    failure.count = count_of(item, where, "failed-session-count", otherwise);
    return failure;
  }

  ReceivedPolicy policy(const Json& item, const std::string& where) {
    const Json* described = item.is_object() ? find(item, "policy") : nullptr;
    const Json* summary = item.is_object() ? find(item, "summary") : nullptr;
    ReceivedPolicy policy;
    if (described == nullptr || !described->is_object() || summary == nullptr || !summary->is_object()) {
      refuse(where, "has no policy or no summary");
      return policy;
    }
    const std::string at = step(where, "policy");
    policy.type = text::lower(text_of(*described, at, "policy-type"));
    if (policy.type != "sts" && policy.type != "tlsa" && policy.type != "no-policy-found")
      note(step(at, "policy-type"), "is none of sts, tlsa and no-policy-found");
    policy.domain = domain_of(*described, at);
    policy.policy_string = lines(*described, at, "policy-string", false);
    policy.mx_hosts =
        lines(*described, at, "mx-host", true);  // RFC 8460 and its example disagree: erratum 6241
    policy.success = count_of(*summary, step(where, "summary"), "total-successful-session-count");
    const auto failed = known_count(*summary, step(where, "summary"), "total-failure-session-count");
    const auto details = items(item, where, "failure-details", false);
    std::uint64_t sum = 0;
    std::size_t number = 0;
    for (const Json* detail : details) {
      if (++failures_ > most_failures) {
        refuse(where, "more than 50000 failure-details in the report", Errc::too_long);
        break;
      }
      policy.failures.push_back(failure(*detail, step(where, "failure-details/" + std::to_string(number++)),
                                        failed && details.size() == 1 ? *failed : 0));
      sum = std::min(sum + policy.failures.back().count, most_i_json_number);
    }
    policy.failure =
        failed ? *failed : count_of(*summary, step(where, "summary"), "total-failure-session-count", sum);
    return policy;
  }

  void policies(const Json& root) {
    const auto all = items(root, "", "policies", false);
    if (all.empty()) note("/policies", "holds nothing");
    if (all.size() > most_policies) return refuse("/policies", "more than 10000 policies", Errc::too_long);
    for (std::size_t i = 0; i < all.size(); ++i)
      report_.policies.push_back(policy(*all[i], "/policies/" + std::to_string(i)));
  }

  const std::string known_domain_;
  ReceivedReport report_;
  std::optional<Error> error_;
  std::size_t failures_ = 0;
};

// Characters that move, hide or end text: C0, DEL, C1, zero-width, bidirectional controls, separators, BOM.
bool is_harmful(std::uint32_t code) noexcept {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0xad || code == 0x61c ||
         (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2060 && code <= 0x206f) || code == 0xfeff || (code >= 0xfff9 && code <= 0xfffb) ||
         code >= 0xe0000;
}

}  // namespace

std::string clean_text(std::string_view remote, std::size_t most) {
  std::string clean;
  while (!remote.empty()) {
    const text::Utf8Unit unit = text::decode_utf8(remote);
    const bool keep = unit.well_formed && !is_harmful(unit.code);
    const std::string_view piece = keep ? remote.substr(0, unit.length) : std::string_view("?");
    if (clean.size() + piece.size() > most) break;
    clean += piece;
    remote.remove_prefix(unit.length);
  }
  return clean;
}

Expected<ReceivedReport> parse_received_report(std::string_view text, const std::string& domain) {
  if (text.size() > most_report_octets)
    return Error(Errc::too_long,
                 "the report is longer than " + std::to_string(most_report_octets) + " octets");
  const bool marked = text.starts_with(byte_order_mark);
  if (marked) text.remove_prefix(byte_order_mark.size());
  auto json = parse_i_json(text);
  if (!json) return json.error();
  Parser parser(clean_text(text::lower(domain), most_text));
  if (marked) parser.note("the report", "begins with a byte order mark (RFC 8259 8.1)");
  return parser.parse(*json);
}

}  // namespace sealpost::tlsrpt
