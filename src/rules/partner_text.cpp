// SPDX-License-Identifier: Apache-2.0
#include "rules/partner_text.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace sealpost::rules {
namespace {

// C0, DEL, C1; and what a reader does not see, or sees turned around (Unicode's bidirectional controls, line separators).
bool moves_text(std::uint32_t code) noexcept {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

std::string key_line(std::string_view key, const std::string& value) {
  return std::string(key) + " = " + value + "\n";
}

std::string words_line(std::string_view key, const std::string& value) {
  return value.empty() ? "" : key_line(key, toml_string(value));
}

// "4h", in the largest unit that has no rest.
std::string duration(std::chrono::seconds time) {
  struct Unit {
    int seconds;
    char letter;
  };
  constexpr Unit units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}};
  for (const Unit& unit : units)
    if (time.count() != 0 && time.count() % unit.seconds == 0)
      return std::to_string(time.count() / unit.seconds) + unit.letter;
  return std::to_string(time.count()) + "s";
}

std::string time_line(std::string_view key, const std::optional<SystemTime>& time) {
  if (!time) return "";
  const bool whole_day = *time == std::chrono::floor<std::chrono::days>(*time);
  return key_line(key, whole_day ? to_utc_day(*time) : to_rfc3339(*time));
}

std::string names_line(const PartnerRule& rule) {
  using Names = PartnerRule::Names;
  const Names by_default = rule.mx.empty() ? Names::domain : Names::mx;
  const auto looks_at_names = [](const auto& one) { return one.level >= PartnerLevel::verify; };
  if (!looks_at_names(rule) && std::none_of(rule.exceptions.begin(), rule.exceptions.end(), looks_at_names))
    return "";
  if (rule.names == Names::literal) {
    std::vector<std::string> names = rule.literal_names;
    for (std::string& name : names)
      if (name == "mx" || name == "domain") name += '.';  // a host of that name, not the word
    return key_line("names", toml_list(names));
  }
  if (rule.names == by_default) return "";
  return key_line("names", rule.names == Names::mx ? R"(["mx"])" : R"(["domain"])");
}

std::string minimum_line(const PartnerRule& rule) {
  if (rule.minimum == TlsVersion::none) return "";
  return key_line("minimum", rule.minimum == TlsVersion::tls1_3 ? "\"1.3\"" : "\"1.2\"");
}

std::string failure_line(const PartnerRule& rule) {
  switch (rule.on_failure) {
    case PartnerRule::OnFailure::bounce: return "";
    case PartnerRule::OnFailure::defer: return key_line("on_failure", "\"defer\"");
    case PartnerRule::OnFailure::reroute:
      return key_line("on_failure", toml_string("reroute:" + rule.reroute));
  }
  return "";
}

std::string exception_text(const PartnerException& exception) {
  return "[[partner.exception]]\n" + time_line("until", exception.until) +
         key_line("tls", toml_string(name_of(exception.level))) +
         key_line("reason", toml_string(exception.reason)) +
         key_line("approved_by", toml_string(exception.approved_by));
}

}  // namespace

std::string toml_string(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out = "\"";
  while (!text.empty()) {
    const text::Utf8Unit unit = text::decode_utf8(text);
    if (!unit.well_formed) {
      out += '?';
    } else if (moves_text(unit.code)) {
      out += "\\u";
      for (int shift = 12; shift >= 0; shift -= 4) out += digits[(unit.code >> shift) & 15U];
    } else {
      if (unit.code == '"' || unit.code == '\\') out += '\\';
      out += text.substr(0, unit.length);
    }
    text.remove_prefix(unit.length);
  }
  return out + '"';
}

std::string toml_list(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + toml_string(text);
  return "[" + all + "]";
}

std::string comment_lines(std::string_view words, std::size_t width) {
  std::string clean;
  while (!words.empty()) {
    const text::Utf8Unit unit = text::decode_utf8(words);
    if (!unit.well_formed)
      clean += '?';
    else if (moves_text(unit.code))
      clean += ' ';
    else
      clean += words.substr(0, unit.length);
    words.remove_prefix(unit.length);
  }
  std::string out, now = "#";
  for (const std::string_view word : text::split(clean, ' ')) {
    if (word.empty()) continue;
    if (now.size() > 1 && now.size() + 1 + word.size() > width) {
      out += now + "\n";
      now = "#";
    }
    now += ' ';
    now += word;
  }
  return out + now + "\n";
}

std::string partner_text(const PartnerRule& rule) {
  std::string text = "[[partner]]\n" + key_line("name", toml_string(rule.name)) +
                     key_line("domains", toml_list(rule.domains)) +
                     key_line("tls", toml_string(name_of(rule.level)));
  if (!rule.mx.empty()) text += key_line("mx", toml_list(rule.mx));
  text += names_line(rule);
  if (!rule.pins.empty()) text += key_line("pins", toml_list(rule.pins));
  text += minimum_line(rule);
  if (rule.audit) text += key_line("mode", "\"audit\"");
  text += failure_line(rule);
  if (rule.grace != PartnerRule().grace) text += key_line("grace", toml_string(duration(rule.grace)));
  text += words_line("client_certificate", rule.client_certificate);
  text += words_line("client_key", rule.client_key);
  text += time_line("starts", rule.starts) + time_line("ends", rule.ends) +
          time_line("review_by", rule.review_by);
  text += words_line("owner", rule.owner) + words_line("reference", rule.reference);
  for (const PartnerException& exception : rule.exceptions) text += exception_text(exception);
  return text;
}

}  // namespace sealpost::rules
