// SPDX-License-Identifier: Apache-2.0
//
// Comparing host names: MX patterns (RFC 8461 §4.1), certificate names (RFC 9525 §6.3), partner domains.
#include <algorithm>

#include "base/text.hpp"
#include "sealpost/ip_address.hpp"
#include "sealpost/mta_sts.hpp"
#include "sealpost/partner.hpp"
#include "sealpost/verdict.hpp"

namespace sealpost {
namespace {

// "mx1.example.net" -> "example.net"; nothing when there is one label only.
std::string_view parent_of(std::string_view name) noexcept {
  const std::size_t dot = name.find('.');
  return dot == name.npos || dot == 0 ? std::string_view() : name.substr(dot + 1);
}

// "*.suffix" and exactly one label more.
bool one_label_under(std::string_view suffix, std::string_view name) noexcept {
  const std::string_view parent = parent_of(name);
  return !suffix.empty() && !parent.empty() && text::iequals(parent, suffix);
}

}  // namespace

bool mx_matches(std::string_view pattern, std::string_view mx_host) noexcept {
  if (pattern.starts_with("*.")) return one_label_under(pattern.substr(2), mx_host);
  return !mx_host.empty() && text::iequals(pattern, mx_host);
}

bool names_match(const std::vector<std::string>& dns_names, std::string_view reference) noexcept {
  if (reference.empty() || reference.find('*') != reference.npos || IpAddress::parse(reference)) return false;
  return std::any_of(dns_names.begin(), dns_names.end(), [reference](std::string_view name) {
    if (!name.starts_with("*.")) return text::iequals(name, reference);
    name.remove_prefix(2);
    // "*.test" would stand for a whole top-level domain; nobody may have such a certificate.
    return name.find('*') == name.npos && !parent_of(name).empty() && one_label_under(name, reference);
  });
}

bool names_domain(const std::vector<std::string>& dns_names, std::string_view domain) noexcept {
  if (names_match(dns_names, domain)) return true;
  if (domain.empty() || IpAddress::parse(domain)) return false;
  return std::any_of(dns_names.begin(), dns_names.end(), [domain](std::string_view name) {
    if (!one_label_under(domain, name)) return false;
    const std::string_view label = name.substr(0, name.find('.'));
    return label == "*" || label.find('*') == label.npos;
  });
}

bool is_pattern(std::string_view domain) noexcept { return domain == "*" || domain.starts_with("*."); }

bool covers(std::string_view pattern, std::string_view domain) noexcept {
  if (pattern == "*") return !domain.empty();
  if (!pattern.starts_with("*.")) return text::iequals(pattern, domain);
  const std::string_view suffix = pattern.substr(1);  // with its dot
  return domain.size() > suffix.size() && text::iequals(domain.substr(domain.size() - suffix.size()), suffix);
}

}  // namespace sealpost
