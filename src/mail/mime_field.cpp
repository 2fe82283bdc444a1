// SPDX-License-Identifier: Apache-2.0
#include "mail/mime_field.hpp"

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "mail/mime_decode.hpp"

namespace sealpost {
namespace {

constexpr std::uint64_t most_pieces = 100;  // of one parameter

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
    if (low < 0) {
      out += text[i];
      continue;
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

// ISO 8859-1 by its own name and by the one most programs mean with it; the few octets that differ are no letters of
// file names.
std::string to_utf8(std::string octets, std::string_view charset) {
  if (!text::iequals(charset, "iso-8859-1") && !text::iequals(charset, "windows-1252")) return octets;
  std::string out;
  for (const char c : octets) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xc0 | octet >> 6);
      out += static_cast<char>(0x80 | (octet & 0x3f));
    }
  }
  return out;
}

// RFC 2231 §4: charset'language'value
std::string without_charset(const std::string& text, std::string& charset) {
  const std::size_t first = text.find('\'');
  const std::size_t second = first == std::string::npos ? first : text.find('\'', first + 1);
  if (second == std::string::npos) return text;
  charset = text.substr(0, first);
  return text.substr(second + 1);
}

// RFC 2047 §2: =?charset?B or Q?text?=. Blanks between two of them are not part of the text.
std::string words_decoded(std::string_view text) {
  std::string out;
  bool after_word = false;
  while (!text.empty()) {
    const std::size_t begin = text.find("=?");
    const std::size_t kind = begin == std::string_view::npos ? begin : text.find('?', begin + 2);
    const std::size_t end = kind == std::string_view::npos || kind + 3 > text.size() || text[kind + 2] != '?'
                                ? std::string_view::npos
                                : text.find("?=", kind + 3);
    if (end == std::string_view::npos) break;
    const std::string_view before = text.substr(0, begin);
    if (!after_word || before.find_first_not_of(" \t") != std::string_view::npos) out += before;
    const std::string_view content = text.substr(kind + 3, end - kind - 3);
    std::string octets;
    if (text::lower(text[kind + 1]) == 'b') {
      octets = text::from_base64(content).value_or(std::string(content));
    } else {
      std::string quoted(content);
      std::replace(quoted.begin(), quoted.end(), '_', ' ');
      octets = decode_quoted_printable(quoted);
    }
    out += to_utf8(std::move(octets), text.substr(begin + 2, kind - begin - 2));
    text.remove_prefix(end + 2);
    after_word = true;
  }
  return out += text;
}

}  // namespace

MimeField::MimeField(std::string text) : text_(std::move(text)) {
  at_ = std::min(text_.find(';'), text_.size());
  value_ = text::lower(text::trim(std::string_view(text_).substr(0, at_)));
}

template <class Visit>
void MimeField::each(Visit visit) const {
  std::size_t at = at_;
  while (at < text_.size()) {
    at = text_.find_first_not_of("; \t", at);
    if (at == std::string::npos) break;
    const std::size_t equals = text_.find_first_of("=;", at);
    if (equals == std::string::npos) break;
    const std::string_view name = text::trim(std::string_view(text_).substr(at, equals - at));
    at = equals;
    if (text_[equals] == ';') continue;
    visit(name, word(++at));
  }
}

std::string MimeField::parameter(std::string_view wanted) const {
  struct Piece {
    std::string text;
    bool encoded = false;
  };
  std::string plain, extended;
  std::map<std::uint64_t, Piece> pieces;  // RFC 2231 §3: in whatever order they come
  each([&](std::string_view name, std::string content) {
    const std::size_t star = name.find('*');
    if (!text::iequals(name.substr(0, star), wanted)) return;
    if (star == std::string_view::npos) {
      if (plain.empty()) plain = std::move(content);
      return;
    }
    std::string_view rest = name.substr(star + 1);
    if (rest.empty()) {
      extended = std::move(content);
      return;
    }
    const bool encoded = rest.ends_with('*');
    if (encoded) rest.remove_suffix(1);
    const auto number = text::parse_u64(rest);
    if (number && *number < most_pieces) pieces.emplace(*number, Piece{std::move(content), encoded});
  });
  std::string charset;
  if (!extended.empty()) {
    const std::string octets = percent_decoded(without_charset(extended, charset));
    return to_utf8(octets, charset);
  }
  if (pieces.contains(0)) {
    std::string octets;
    for (std::uint64_t i = 0; pieces.contains(i); ++i) {
      Piece& piece = pieces[i];
      if (i == 0 && piece.encoded) piece.text = without_charset(piece.text, charset);
      octets += piece.encoded ? percent_decoded(piece.text) : piece.text;
    }
    return to_utf8(std::move(octets), charset);
  }
  return words_decoded(plain);
}

std::string MimeField::word(std::size_t& at) const {
  while (at < text_.size() && (text_[at] == ' ' || text_[at] == '\t')) ++at;
  std::string content;
  if (at < text_.size() && text_[at] == '"') {
    for (++at; at < text_.size() && text_[at] != '"'; ++at) {
      if (text_[at] == '\\' && at + 1 < text_.size()) ++at;
      content += text_[at];
    }
    at = std::min(at + 1, text_.size());
    return content;
  }
  const std::size_t end = std::min(text_.find(';', at), text_.size());
  content = text::trim(std::string_view(text_).substr(at, end - at));
  at = end;
  return content;
}

}  // namespace sealpost
