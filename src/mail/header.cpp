// SPDX-License-Identifier: Apache-2.0
#include "mail/header.hpp"

#include <algorithm>

#include "base/digest.hpp"
#include "base/text.hpp"

namespace sealpost {
namespace {

constexpr std::size_t message_id_cap = 250;  // longer ones are not repeated in our References

bool is_fold_blank(char c) noexcept { return c == ' ' || c == '\t'; }
bool is_field_character(char c) noexcept { return c > 0x20 && c < 0x7f && c != ':'; }

std::string_view without_line_end(std::string_view line) noexcept {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// "<...>" out of a Message-ID field, when it can stand in a field of ours.
std::string message_id_of(std::string_view value) {
  const std::string text = unfold(value, message_id_cap * 2);
  const std::size_t open = text.find('<'), close = text.find('>');
  if (open == text.npos || close == text.npos || close < open || close - open >= message_id_cap) return {};
  const std::string id = text.substr(open, close - open + 1);
  const auto visible = [](char c) { return c > 0x20 && c < 0x7f; };
  return std::all_of(id.begin(), id.end(), visible) ? id : std::string();
}

}  // namespace

HeaderReader::HeaderReader(std::string_view message) noexcept : text_(message.substr(0, header_scan_cap)) {}

std::string_view HeaderReader::line() noexcept {
  const std::size_t start = at_;
  const std::size_t end = text_.find('\n', at_);
  at_ = end == text_.npos ? text_.size() : end + 1;
  return text_.substr(start, at_ - start);
}

bool HeaderReader::next(HeaderField& field) noexcept {
  while (at_ < text_.size()) {
    const std::size_t start = at_;
    const std::string_view first = without_line_end(line());
    if (first.empty()) {  // the empty line: nothing behind it is header
      text_ = text_.substr(0, at_);
      return false;
    }
    while (at_ < text_.size() && is_fold_blank(text_[at_])) line();
    const std::size_t colon = first.find(':');
    if (colon == first.npos || is_fold_blank(first.front())) continue;
    const std::string_view name = text::trim(first.substr(0, colon));
    if (name.empty() || !std::all_of(name.begin(), name.end(), is_field_character)) continue;
    field.name = name;
    field.value = without_line_end(text_.substr(start + colon + 1, at_ - start - colon - 1));
    return true;
  }
  return false;
}

std::size_t header_octets(std::string_view message) noexcept {
  if (message.starts_with("\r\n")) return 2;
  const auto end = message.find("\r\n\r\n");
  return end == std::string_view::npos ? message.size() : end + 4;
}

std::string unfold(std::string_view value, std::size_t most) {
  std::string out;
  bool blank = false;
  for (const char c : value) {
    if (is_fold_blank(c) || c == '\r' || c == '\n') {
      blank = !out.empty();
      continue;
    }
    if (out.size() + (blank ? 2 : 1) > most) break;
    if (blank) out += ' ';
    blank = false;
    out += c;
  }
  return out;
}

std::optional<std::string> find_field(std::string_view message, std::string_view name) {
  HeaderReader reader(message);
  HeaderField field;
  while (reader.next(field))
    if (text::iequals(field.name, name)) return unfold(field.value);
  return std::nullopt;
}

std::array<std::uint8_t, 16> digest_of_message_id(std::string_view message_id) {
  std::array<std::uint8_t, 16> half{};
  if (message_id.empty()) return half;
  const Sha256 whole = sha256(message_id);
  std::copy_n(whole.begin(), half.size(), half.begin());
  return half;
}

HeadFacts scan_head(std::string_view message) {
  HeadFacts facts;
  HeaderReader reader(message);
  HeaderField field;
  unsigned tls_required = 0;
  while (reader.next(field)) {
    const auto is = [&](std::string_view name) { return text::iequals(field.name, name); };
    if (is("Received")) {
      ++facts.received;
    } else if (is("Message-ID")) {
      if (facts.message_id.empty()) facts.message_id = message_id_of(field.value);
    } else if (is("Date")) {
      facts.has_date = true;
    } else if (is("From")) {
      facts.has_from = true;
    } else if (is("TLS-Required")) {
      facts.tls_required_no = ++tls_required == 1 && text::iequals(unfold(field.value, 16), "no");
    } else if (is("Auto-Submitted")) {
      const std::string value = unfold(field.value, 64);
      facts.auto_submitted =
          !text::iequals(text::trim(std::string_view(value).substr(0, value.find(';'))), "no");
    }
  }
  facts.header_octets = reader.position();
  return facts;
}

}  // namespace sealpost
