// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include <clocale>
#include <cstdlib>

#include "base/text.hpp"

namespace sealpost::cli {
namespace {

constexpr std::size_t least_width = 40, most_width = 1000;

// The C library knows the widths, in a locale whose letters are those of Unicode. What it does not know counts one.
std::size_t columns_of(std::uint32_t code) {
  if (code < 0x7f) return 1;
  static const locale_t unicode = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (unicode == nullptr) return 1;
  const locale_t before = ::uselocale(unicode);
  const int columns = ::wcwidth(static_cast<wchar_t>(code));
  ::uselocale(before);
  return columns < 0 ? 1 : static_cast<std::size_t>(columns);
}

bool is_control(std::uint32_t code) noexcept {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

// The most of `text` that takes at most `width` columns, and at least one letter.
std::size_t octets_within(std::string_view text, std::size_t width) {
  std::size_t octets = 0, columns = 0;
  while (octets < text.size()) {
    const text::Utf8Unit unit = text::decode_utf8(text.substr(octets));
    columns += columns_of(unit.code);
    if (columns > width && octets > 0) break;
    octets += unit.length;
  }
  return octets;
}

}  // namespace

std::size_t terminal_width(int descriptor) {
  if (const char* columns = std::getenv("COLUMNS")) {
    const auto number = text::parse_u64(columns);
    if (number && *number >= least_width && *number <= most_width) return static_cast<std::size_t>(*number);
  }
  winsize size{};
  if (::isatty(descriptor) == 0) return 0;
  if (::ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col < least_width ? least_width : size.ws_col;
}

std::size_t display_width(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const text::Utf8Unit unit = text::decode_utf8(text);
    columns += columns_of(unit.code);
    text.remove_prefix(unit.length);
  }
  return columns;
}

std::string without_controls(std::string_view text) {
  std::string clean;
  while (!text.empty()) {
    const text::Utf8Unit unit = text::decode_utf8(text);
    if (!unit.well_formed || is_control(unit.code))
      clean += '?';
    else
      clean += text.substr(0, unit.length);
    text.remove_prefix(unit.length);
  }
  return clean;
}

std::string folded(std::string_view text, std::string_view indent, std::size_t width) {
  const std::string start(indent);
  if (const auto end = text.find('\n'); end != text.npos)
    return folded(text.substr(0, end), indent, width) + folded(text.substr(end + 1), indent, width);
  if (width == 0) return start + without_controls(text) + "\n";
  const std::size_t room = width > indent.size() + 8 ? width - indent.size() : 8;
  std::string out, line;
  std::size_t used = 0;
  const auto end_line = [&] {
    out += start + line + "\n";
    line.clear();
    used = 0;
  };
  const std::string clean = without_controls(text);
  for (std::string_view word : text::split(clean, ' ')) {
    if (word.empty()) continue;
    std::size_t columns = display_width(word);
    if (used > 0 && used + 1 + columns > room) end_line();
    while (columns > room) {
      const std::size_t octets = octets_within(word, room);
      line += word.substr(0, octets);
      word.remove_prefix(octets);
      columns = display_width(word);
      end_line();
    }
    if (used > 0) line += ' ';
    used += columns + (used > 0 ? 1 : 0);
    line += word;
  }
  if (!line.empty() || out.empty()) end_line();
  return out;
}

}  // namespace sealpost::cli
