// SPDX-License-Identifier: Apache-2.0
#include "importing/source.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace sealpost::importing {
namespace {

constexpr std::size_t most_rows = 100'000;
constexpr std::size_t most_cells = 200;  // of a row

void append_utf8(std::uint32_t code, std::string& out) {
  const auto add = [&out](std::uint32_t octet) { out += static_cast<char>(octet); };
  if (code < 0x80) return add(code);
  if (code < 0x800) {
    add(0xc0U | code >> 6U);
  } else if (code < 0x10000) {
    add(0xe0U | code >> 12U);
    add(0x80U | (code >> 6U & 0x3fU));
  } else {
    add(0xf0U | code >> 18U);
    add(0x80U | (code >> 12U & 0x3fU));
    add(0x80U | (code >> 6U & 0x3fU));
  }
  add(0x80U | (code & 0x3fU));
}

// Half a pair of surrogates becomes U+FFFD.
std::string from_utf16(std::string_view octets, bool big_endian) {
  const auto unit = [&](std::size_t at) -> std::uint32_t {
    const auto first = static_cast<unsigned char>(octets[at]),
               second = static_cast<unsigned char>(octets[at + 1]);
    return big_endian ? first * 256U + second : second * 256U + first;
  };
  std::string out;
  for (std::size_t at = 0; at + 1 < octets.size(); at += 2) {
    std::uint32_t code = unit(at);
    if (code >= 0xd800 && code < 0xdc00 && at + 3 < octets.size()) {
      const std::uint32_t low = unit(at + 2);
      if (low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10U) + (low - 0xdc00);
        at += 2;
      }
    }
    append_utf8(code >= 0xd800 && code < 0xe000 ? 0xfffdU : code, out);
  }
  return out;
}

// The first octet that no text has.
std::size_t find_no_text(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto octet = static_cast<unsigned char>(text[at]);
    if ((octet < 0x20 && octet != '\t' && octet != '\n' && octet != '\r' && octet != '\f') || octet == 0x7f)
      return at;
    if (octet < 0x80) continue;
    const text::Utf8Unit unit = text::decode_utf8(text.substr(at));
    if (!unit.well_formed) return at;
    at += unit.length - 1;
  }
  return std::string_view::npos;
}

char separator_of(std::string_view text) {
  std::size_t commas = 0, semicolons = 0, tabs = 0;
  bool quoted = false;
  for (const Line& line : lines_of(text.substr(0, 65536))) {
    if (text::trim(line.text).empty() || line.text.front() == '#') continue;
    for (const char c : line.text) {
      if (c == '"') quoted = !quoted;
      if (quoted) continue;
      commas += c == ',';
      semicolons += c == ';';
      tabs += c == '\t';
    }
    break;
  }
  if (semicolons > commas && semicolons >= tabs) return ';';
  return tabs > commas ? '\t' : ',';
}

class RowReader {
 public:
  explicit RowReader(std::string_view text) : text_(text), separator_(separator_of(text)) {}

  Expected<std::vector<Row>> read() {
    while (at_ < text_.size()) {
      if (text_[at_] == '#') {  // "#TYPE System.Object" of Export-Csv, or somebody's remark
        skip_line();
        continue;
      }
      Row row;
      row.line = line_;
      for (bool more = true; more;) {
        if (row.cells.size() >= most_cells)
          return Error(Errc::too_long,
                       where(row.line) + "more than " + std::to_string(most_cells) + " cells");
        std::string cell;
        if (!read_cell(cell))
          return Error(Errc::invalid, where(row.line) + "a quoted cell begins here and does not end");
        row.cells.push_back(std::move(cell));
        more = at_ < text_.size() && text_[at_] == separator_;
        if (more) ++at_;
      }
      end_line();
      if (std::all_of(row.cells.begin(), row.cells.end(), [](const auto& cell) { return cell.empty(); }))
        continue;
      if (rows_.size() >= most_rows)
        return Error(Errc::too_long, "more than " + std::to_string(most_rows) + " rows; import it in parts");
      rows_.push_back(std::move(row));
    }
    return std::move(rows_);
  }

 private:
  static std::string where(unsigned line) { return "line " + std::to_string(line) + ": "; }

  void skip_line() {
    while (at_ < text_.size() && text_[at_] != '\n') ++at_;
    end_line();
  }
  void end_line() {
    if (at_ < text_.size() && text_[at_] == '\r') ++at_;
    if (at_ < text_.size() && text_[at_] == '\n') ++at_;
    ++line_;
  }

  // Up to the separator or the end of the line. What follows a closing quote belongs to the cell.
  bool read_cell(std::string& cell) {
    while (at_ < text_.size() && (text_[at_] == ' ' || (text_[at_] == '\t' && separator_ != '\t'))) ++at_;
    bool quoted = at_ < text_.size() && text_[at_] == '"';
    if (quoted) ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (quoted) {
        if (c == '"' && at_ + 1 < text_.size() && text_[at_ + 1] == '"')
          ++at_;
        else if (c == '"') {
          quoted = false;
          ++at_;
          continue;
        }
        if (c == '\n') ++line_;
      } else if (c == separator_ || c == '\n' ||
                 (c == '\r' && (at_ + 1 == text_.size() || text_[at_ + 1] == '\n'))) {
        break;
      }
      cell += c;
      ++at_;
    }
    cell = std::string(text::trim(cell, " \t\r\n"));
    return !quoted;
  }

  std::string_view text_;
  char separator_;
  std::size_t at_ = 0;
  unsigned line_ = 1;
  std::vector<Row> rows_;
};

bool is_postfix_level(std::string_view word) {
  constexpr std::array<std::string_view, 8> levels = {"none",      "may",         "encrypt", "dane",
                                                      "dane-only", "fingerprint", "verify",  "secure"};
  return std::any_of(levels.begin(), levels.end(),
                     [word](std::string_view level) { return text::iequals(level, word); });
}

// Columns "domains" and "tls", among others.
bool heads_own_rows(std::string_view line) {
  bool domains = false, tls = false;
  for (const std::string& cell : parts_of(line)) {
    domains = domains || bare_word(cell) == "domains";
    tls = tls || bare_word(cell) == "tls";
  }
  return domains && tls;
}

}  // namespace

Expected<std::string> to_text(std::string_view octets) {
  if (octets.size() > longest_source)
    return Error(Errc::too_long, "is longer than 8 MiB; import it in parts");
  std::string text;
  if (octets.starts_with("\xff\xfe"))
    text = from_utf16(octets.substr(2), false);
  else if (octets.starts_with("\xfe\xff"))
    text = from_utf16(octets.substr(2), true);
  else
    text = octets.substr(octets.starts_with("\xef\xbb\xbf") ? 3 : 0);
  if (text::trim(text, " \t\r\n").empty()) return Error(Errc::invalid, "is empty");
  if (const std::size_t bad = find_no_text(text); bad != std::string::npos) {
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(bad), '\n');
    return Error(Errc::invalid,
                 "line " + std::to_string(line) + ": is no text in UTF-8 or UTF-16: octet " +
                     text::printable(std::string_view(text).substr(bad, 1)) +
                     "; give the text that tables are made from (not a .db or .cdb), in UTF-8");
  }
  return text;
}

std::vector<Line> lines_of(std::string_view text) {
  std::vector<Line> lines;
  unsigned number = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back({++number, line});
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return lines;
}

Expected<std::vector<Row>> rows_of(std::string_view text) { return RowReader(text).read(); }

std::string bare_word(std::string_view text) {
  std::string word;
  for (const char c : text)
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) word += text::lower(c);
  return word;
}

std::vector<std::string> parts_of(std::string_view text) {
  std::vector<std::string> parts;
  std::string now;
  for (const char c : text) {
    if (std::string_view(" \t\r\n,;|").find(c) == std::string_view::npos) {
      now += c;
    } else if (!now.empty()) {
      parts.push_back(std::move(now));
      now.clear();
    }
  }
  if (!now.empty()) parts.push_back(std::move(now));
  return parts;
}

bool is_yes(std::string_view text) {
  const std::string word = bare_word(text);
  return word == "yes" || word == "true" || word == "1" || word == "on" || word == "y";
}

std::optional<Format> looks_like(std::string_view text) {
  const std::string_view begin = text::trim(text, " \t\r\n");
  if (begin.starts_with('{')) return Format::m365;
  if (begin.starts_with('[')) {
    const std::string_view next = text::trim(begin.substr(1), " \t\r\n");
    if (next.starts_with('{') || next.starts_with(']')) return Format::m365;
  }
  unsigned looked_at = 0, levels = 0;
  for (const Line& line : lines_of(text)) {
    const std::string_view words = text::trim(line.text);
    if (words.empty() || words.front() == '#') continue;
    if (looked_at == 0) {
      const std::string heading = bare_word(words);
      if (heading.find("recipientdomains") != heading.npos) return Format::m365;
      if (heads_own_rows(words)) return Format::csv;
      if (text::iequals(words, "[DEFAULT]")) return Format::cisco;
    }
    if (text::istarts_with(words, "table_tls") && words.find('=') != words.npos) return Format::cisco;
    const std::size_t blank = words.find_first_of(" \t");
    const std::string_view rest = blank == words.npos ? std::string_view() : text::trim(words.substr(blank));
    levels += is_postfix_level(rest.substr(0, rest.find_first_of(" \t,")));
    if (++looked_at == 20) break;
  }
  if (levels > 0 && levels * 2 >= looked_at) return Format::postfix;
  return std::nullopt;
}

}  // namespace sealpost::importing
