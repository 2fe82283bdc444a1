// SPDX-License-Identifier: Apache-2.0
#include "mail/mime_decode.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "mail/without_blanks.hpp"

namespace sealpost {
namespace {

constexpr std::string_view blanks = " \t\r";

bool is_base64(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

// How much of `body` is the data when something follows it. Padding ends it; without, the first empty line behind whole
// groups of four, when a line that cannot be base64 comes later: words of a footer often could be.
std::size_t end_of_data(std::string_view body) {
  std::size_t letters = 0, at = 0;
  std::optional<std::size_t> empty_line;
  while (at < body.size()) {
    const std::size_t end = std::min(body.find('\n', at), body.size());
    const std::string_view line = text::trim(body.substr(at, end - at), blanks);
    const std::size_t padding = line.find('=');
    const std::string_view data = line.substr(0, padding);
    if (!std::all_of(data.begin(), data.end(), is_base64)) return empty_line.value_or(at);
    letters += data.size();
    if (padding != std::string_view::npos) {
      const std::size_t more = line.substr(padding).starts_with("==") ? 2 : 1;
      return static_cast<std::size_t>(line.data() - body.data()) + padding + more;
    }
    if (line.empty() && letters > 0 && letters % 4 == 0 && !empty_line) empty_line = at;
    at = end + 1;
  }
  return body.size();
}

}  // namespace

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = text::lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::optional<DecodedBody> decode_base64(std::string_view body) {
  if (auto octets = text::from_base64(without_blanks(body))) return DecodedBody{std::move(*octets), {}};
  const std::size_t end = end_of_data(body);
  std::string data = without_blanks(body.substr(0, end));
  DecodedBody decoded;
  if (end < body.size() && body.find_first_not_of(" \t\r\n", end) != std::string_view::npos)
    decoded.note = "text that follows its base64 data was left out";
  if (data.size() % 4 > 1 && !data.ends_with('=')) {
    data.append(4 - data.size() % 4, '=');
    decoded.note += std::string(decoded.note.empty() ? "" : "; ") + "the padding of its base64 data lacks";
  }
  auto octets = data.empty() ? std::nullopt : text::from_base64(data);
  if (!octets) return std::nullopt;
  decoded.octets = std::move(*octets);
  return decoded;
}

std::string decode_quoted_printable(std::string_view body) {
  std::string out;
  while (!body.empty()) {
    const std::size_t end = body.find('\n');
    const bool last = end == std::string_view::npos;
    std::string_view line = text::trim(body.substr(0, end), "\r");
    while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
    const bool soft = line.ends_with('=');
    if (soft) line.remove_suffix(1);
    for (std::size_t i = 0; i < line.size(); ++i) {
      const int high = line[i] == '=' && i + 2 < line.size() ? hex_value(line[i + 1]) : -1;
      const int low = high >= 0 ? hex_value(line[i + 2]) : -1;
      if (low >= 0) {
        out += static_cast<char>(high * 16 + low);
        i += 2;
      } else {
        out += line[i];
      }
    }
    if (!soft && !last) out += "\r\n";
    body.remove_prefix(last ? body.size() : end + 1);
  }
  return out;
}

std::optional<DecodedBody> decode_body(std::string_view body, std::string_view encoding) {
  if (encoding == "base64") return decode_base64(body);
  if (encoding == "quoted-printable") return DecodedBody{decode_quoted_printable(body), {}};
  if (encoding == "7bit" || encoding == "8bit" || encoding == "binary")
    return DecodedBody{std::string(body), {}};
  return std::nullopt;
}

}  // namespace sealpost
