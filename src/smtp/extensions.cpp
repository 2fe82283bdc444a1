// SPDX-License-Identifier: Apache-2.0
#include "smtp/extensions.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/text.hpp"

namespace sealpost::smtp {

namespace {

constexpr std::size_t longest_server_name = 255;
constexpr std::size_t most_mechanisms = 32, longest_mechanism = 64;

std::string_view next_word(std::string_view& text) noexcept {
  text = text::trim(text);
  const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

// RFC 1870 §3: "SIZE", "SIZE 0" and "SIZE n". What is no number states no limit.
void read_size(std::string_view parameters, Extensions& into) noexcept {
  into.size = true;
  into.size_limit = text::parse_u64(next_word(parameters)).value_or(0);
}

// RFC 9422 §4: one to six digits, more than zero.
std::optional<std::uint32_t> limit_value(std::string_view digits) noexcept {
  if (digits.empty() || digits.size() > 6) return std::nullopt;
  const auto value = text::parse_u64(digits);
  if (!value || *value == 0) return std::nullopt;
  return static_cast<std::uint32_t>(*value);
}

// Names nobody knows are skipped; one that breaks its grammar makes the whole keyword count as absent.
void read_limits(std::string_view parameters, Extensions& into) noexcept {
  std::optional<std::uint32_t> mail, rcpt, domain;
  for (std::string_view word = next_word(parameters); !word.empty(); word = next_word(parameters)) {
    const std::size_t equals = std::min(word.find('='), word.size());
    const std::string_view name = word.substr(0, equals);
    std::optional<std::uint32_t>* known = text::iequals(name, "MAILMAX")         ? &mail
                                          : text::iequals(name, "RCPTMAX")       ? &rcpt
                                          : text::iequals(name, "RCPTDOMAINMAX") ? &domain
                                                                                 : nullptr;
    if (!known) continue;
    *known = limit_value(word.substr(std::min(equals + 1, word.size())));
    if (!*known) return;
  }
  into.mail_max = mail;
  into.rcpt_max = rcpt;
  into.rcpt_domain_max = domain;
}

// RFC 4954 §3; "AUTH=PLAIN" is how it was written before. Twice the same is said once.
void read_auth(std::string_view mechanisms, Extensions& into) {
  for (std::string_view word = next_word(mechanisms); !word.empty(); word = next_word(mechanisms)) {
    if (into.auth.size() >= most_mechanisms || word.size() > longest_mechanism) continue;
    std::string name(word);
    for (char& c : name)
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (std::find(into.auth.begin(), into.auth.end(), name) == into.auth.end())
      into.auth.push_back(std::move(name));
  }
}

struct Announced {
  std::string_view name;
  bool Extensions::*flag;
};
constexpr std::array announced{
    Announced{"STARTTLS", &Extensions::starttls},
    Announced{"PIPELINING", &Extensions::pipelining},
    Announced{"8BITMIME", &Extensions::eight_bit_mime},
    Announced{"DSN", &Extensions::dsn},
    Announced{"SMTPUTF8", &Extensions::smtputf8},
    Announced{"CHUNKING", &Extensions::chunking},
    Announced{"BINARYMIME", &Extensions::binarymime},
    Announced{"REQUIRETLS", &Extensions::requiretls},
    Announced{"FUTURERELEASE", &Extensions::future_release},
    Announced{"XTLS", &Extensions::xtls},
    Announced{"ENHANCEDSTATUSCODES", &Extensions::enhanced_status},
};

void read_keyword(std::string_view line, Extensions& into) {
  if (text::istarts_with(line, "AUTH=")) return read_auth(line.substr(5), into);
  const std::string_view name = next_word(line);
  if (text::iequals(name, "AUTH")) return read_auth(line, into);
  if (text::iequals(name, "SIZE")) return read_size(line, into);
  if (text::iequals(name, "LIMITS")) return read_limits(line, into);
  for (const Announced& keyword : announced) {
    if (text::iequals(name, keyword.name)) into.*keyword.flag = true;
  }
}

}  // namespace

void leave_out(Extensions& extensions, std::string_view keyword) {
  if (text::iequals(keyword, "STARTTLS") || text::iequals(keyword, "REQUIRETLS")) return;
  if (text::iequals(keyword, "AUTH")) extensions.auth.clear();
  if (text::iequals(keyword, "SIZE")) {
    extensions.size = false;
    extensions.size_limit = 0;
  }
  if (text::iequals(keyword, "LIMITS")) {
    extensions.mail_max.reset();
    extensions.rcpt_max.reset();
    extensions.rcpt_domain_max.reset();
  }
  for (const Announced& known : announced)
    if (text::iequals(keyword, known.name)) extensions.*known.flag = false;
}

Extensions read_helo(const Reply& reply) {
  Extensions extensions;
  std::string_view greeting =
      reply.lines.empty() ? std::string_view() : std::string_view(reply.lines.front());
  extensions.server_name = next_word(greeting).substr(0, longest_server_name);
  return extensions;
}

Extensions read_ehlo(const Reply& reply) {
  Extensions extensions = read_helo(reply);
  extensions.esmtp = true;
  for (std::size_t i = 1; i < reply.lines.size(); ++i) read_keyword(reply.lines[i], extensions);
  return extensions;
}

}  // namespace sealpost::smtp
