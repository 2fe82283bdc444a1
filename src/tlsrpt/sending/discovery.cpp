// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/sending/discovery.hpp"

#include <algorithm>
#include <optional>
#include <variant>

#include "base/text.hpp"
#include "mail/address.hpp"
#include "rules/sts_grammar.hpp"

namespace sealpost {
namespace {

constexpr std::string_view version_tag = "v=TLSRPTv1";
constexpr std::size_t most_record = 4096;
constexpr std::size_t most_uris = 20;

bool is_wsp(char c) noexcept { return c == ' ' || c == '\t'; }

// "v=TLSRPTv1" *WSP ";": v=TLSRPTv10 is another version's.
bool is_ours(std::string_view record) noexcept {
  if (!record.starts_with(version_tag)) return false;
  record.remove_prefix(version_tag.size());
  while (!record.empty() && is_wsp(record.front())) record.remove_prefix(1);
  return !record.empty() && record.front() == ';';
}

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Percent-decoding that gives nothing a mail address or path must not hold: control characters and 8-bit octets (T-23).
std::optional<std::string> decoded(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c <= ' ' || c > '~') return std::nullopt;
    plain += c;
  }
  return plain;
}

using Parsed = std::variant<ReportTarget, std::string>;  // or why it cannot be used

Parsed mail_target(std::string_view rest, ReportTarget target) {
  rest = rest.substr(0, rest.find('?'));
  const auto address = decoded(rest);
  if (!address) return std::string("the address is not valid percent-encoded ASCII");
  const auto mailbox = parse_mailbox(*address);
  if (!mailbox) return "'" + text::printable(*address, 80) + "' is not one mail address";
  target.kind = ReportTarget::Kind::mail;
  target.address = *mailbox;
  return target;
}

Parsed https_target(std::string_view rest, ReportTarget target) {
  if (!rest.starts_with("//")) return std::string("an https URI has no host");
  rest.remove_prefix(2);
  rest = rest.substr(0, rest.find('#'));
  const auto slash = std::min(rest.find_first_of("/?"), rest.size());
  std::string host = text::lower(rest.substr(0, slash));
  std::string path(rest.substr(slash));
  if (host.find('@') != std::string::npos)
    return std::string("user information in the URI is not used (T-20)");
  if (host.ends_with(":443")) host.resize(host.size() - 4);
  if (host.find(':') != std::string::npos) return std::string("only port 443 is used (T-20)");
  const bool plain = !host.empty() && host.size() <= 253 &&
                     std::all_of(host.begin(), host.end(),
                                 [](char c) { return rules::is_alnum(c) || c == '-' || c == '.'; }) &&
                     host.find('.') != std::string::npos && host.back() >= 'a' && host.back() <= 'z';
  if (!plain) return "'" + text::printable(host, 80) + "' is not a host name";
  if (path.empty() || path.front() != '/') path.insert(0, "/");
  if (!std::all_of(path.begin(), path.end(), [](char c) { return c > ' ' && c <= '~'; }))
    return std::string("the path holds octets a URI must not hold");
  target.kind = ReportTarget::Kind::https;
  target.host = std::move(host);
  target.path = std::move(path);
  return target;
}

Parsed target_of(std::string_view uri) {
  ReportTarget target;
  target.text = text::printable(uri, 512);
  const auto colon = uri.find(':');
  if (colon == std::string_view::npos) return "'" + target.text + "' has no scheme";
  const std::string scheme = text::lower(uri.substr(0, colon));
  if (scheme == "mailto") return mail_target(uri.substr(colon + 1), std::move(target));
  if (scheme == "https") return https_target(uri.substr(colon + 1), std::move(target));
  return "scheme '" + text::printable(scheme, 40) + "' is not known";
}

void add_rua(std::string_view value, TlsRptRecordSet& set) {
  for (std::string_view uri : text::split(value, ',')) {
    uri = text::trim(uri);
    if (set.targets.size() + set.passed_over.size() >= most_uris) return;
    Parsed parsed = target_of(uri);
    if (auto* why = std::get_if<std::string>(&parsed)) {
      set.passed_over.push_back(std::move(*why));
    } else if (auto& target = std::get<ReportTarget>(parsed);
               std::find(set.targets.begin(), set.targets.end(), target) == set.targets.end()) {
      set.targets.push_back(std::move(target));
    }
  }
}

std::string parse_fields(std::string_view record, TlsRptRecordSet& set) {
  bool rua = false;
  std::string_view rest = text::trim(record.substr(version_tag.size()));
  rest.remove_prefix(1);  // the ';' that is_ours() saw
  while (true) {
    const auto end = rest.find(';');
    const bool last = end == std::string_view::npos;
    const std::string_view field = text::trim(rest.substr(0, end));
    if (field.empty()) {
      if (!last) return "an empty field";
      break;
    }
    const auto equals = field.find('=');
    if (equals == std::string_view::npos || !rules::is_extension_name(field.substr(0, equals)))
      return "'" + text::printable(field, 60) + "' is not name=value";
    const std::string_view value = field.substr(equals + 1);
    if (value.empty() ||
        !std::all_of(value.begin(), value.end(), [](char c) { return (c > ' ' && c <= '~') || is_wsp(c); }))
      return "the value of '" + text::printable(field.substr(0, equals), 40) + "' is empty or not printable";
    if (field.substr(0, equals) == "rua") {
      rua = true;
      add_rua(value, set);
    } else if (std::any_of(value.begin(), value.end(), is_wsp) || value.find('=') != std::string_view::npos) {
      return "the value of '" + text::printable(field.substr(0, equals), 40) + "' holds blanks or '='";
    }
    if (last) break;
    rest.remove_prefix(end + 1);
  }
  return rua ? std::string() : "no rua";
}

}  // namespace

TlsRptRecordSet parse_tls_rpt_records(const std::vector<std::string>& texts) {
  TlsRptRecordSet set;
  std::vector<const std::string*> ours;
  for (const std::string& record : texts) {
    if (is_ours(record)) ours.push_back(&record);
  }
  if (ours.empty()) return set;
  set.kind = TlsRptRecordSet::Kind::invalid;
  if (ours.size() > 1) {
    set.why = std::to_string(ours.size()) + " TLS-RPT records where exactly one may be";
    return set;
  }
  if (ours.front()->size() > most_record) {
    set.why = "the record is longer than " + std::to_string(most_record) + " octets";
    return set;
  }
  set.why = parse_fields(*ours.front(), set);
  if (!set.why.empty()) {
    set.targets.clear();
    return set;
  }
  set.kind = TlsRptRecordSet::Kind::valid;
  return set;
}

}  // namespace sealpost
