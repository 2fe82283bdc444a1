// SPDX-License-Identifier: Apache-2.0
#include "mail/received.hpp"

#include <algorithm>
#include <array>

#include "mail/address.hpp"

namespace sealpost {
namespace {

bool is_plain_word(std::string_view text) noexcept {
  const auto plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), plain);
}

// What a client calls itself is anything; only what cannot be mistaken for something else is repeated. Host
// names with '_' are common and harmless.
std::string helo_name(const ReceivedFacts& facts) {
  std::string dashed = facts.helo;
  std::replace(dashed.begin(), dashed.end(), '_', '-');
  if (is_domain_name(dashed) || parse_address_literal(facts.helo)) return facts.helo;
  return facts.client.to_smtp_literal();
}

std::string from_clause(const ReceivedFacts& facts) {
  // Deviation (T-49): RFC 5321 §4.4 wants a from clause; an operator may keep internal hosts to himself
  // (§7.6).
  if (facts.hide_client) return {};
  const std::string name = is_domain_name(facts.client_name) ? facts.client_name + ' ' : std::string();
  return "from " + helo_name(facts) + " (" + name + facts.client.to_smtp_literal() + ")\r\n\t";
}

std::string for_clause(const std::string& address) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (address.empty() || address.size() > 320 || std::any_of(address.begin(), address.end(), is_control))
    return {};
  return "\r\n\tfor <" + address + ">";
}

std::string tls_clause(const ReceivedFacts& facts) {
  if (!facts.with.tls || !is_plain_word(facts.tls_cipher)) return {};
  const std::string group = is_plain_word(facts.tls_group) ? " group " + facts.tls_group : std::string();
  return "\r\n\ttls " + facts.tls_cipher + group;
}

}  // namespace

std::string_view name_of(const WithProtocol& with) noexcept {
  static constexpr std::array<std::string_view, 4> esmtp = {"ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA"};
  static constexpr std::array<std::string_view, 4> utf8 = {"UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA",
                                                           "UTF8SMTPSA"};
  if (with.http)
    return with.tls ? "HTTPS" : "HTTP";  // RFC 5321 §4.4 leaves other protocols a word of their own
  if (!with.esmtp) return "SMTP";
  const std::size_t security = (with.tls ? 1U : 0U) + (with.auth ? 2U : 0U);
  return with.utf8 ? utf8[security] : esmtp[security];
}

std::string received_header(const ReceivedFacts& facts) {
  std::string out = "Received: " + from_clause(facts);
  out += "by " + facts.by + " with ";
  out += name_of(facts.with);
  out += " id " + facts.id.to_string() + for_clause(facts.for_address) + tls_clause(facts);
  out += ";\r\n\t" + to_rfc5322(facts.when) + "\r\n";
  return out;
}

}  // namespace sealpost
