// SPDX-License-Identifier: Apache-2.0
#include "smtp/reply_parser.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/text.hpp"

namespace sealpost::smtp {

namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// The first digit is what counts (RFC 5321 §4.2.1), and it is 2 to 5. The grammar ends the second at 5 as
// well, but refusals like "571" are old custom, and taking them for nonsense would only delay a bounce by
// days.
std::uint16_t code_of(std::string_view line) noexcept {
  if (line.size() < 3 || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) || !is_digit(line[2])) return 0;
  return static_cast<std::uint16_t>((line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0'));
}

// 1*3DIGIT; no value when there is none, or a fourth digit.
std::optional<std::uint16_t> number(std::string_view& text) noexcept {
  std::uint16_t value = 0;
  std::size_t digits = 0;
  while (digits < text.size() && is_digit(text[digits])) {
    if (digits == 3) return std::nullopt;
    value = static_cast<std::uint16_t>(value * 10 + (text[digits] - '0'));
    ++digits;
  }
  if (digits == 0) return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

bool skip(std::string_view& text, char c) noexcept {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

// Takes the enhanced code off the front of `text` when it is one of the class of this reply (RFC 2034 §4).
std::optional<EnhancedStatus> take_status(std::string_view& text, std::uint16_t code) noexcept {
  std::string_view rest = text;
  EnhancedStatus status;
  status.klass = static_cast<std::uint8_t>(code / 100);
  if (status.klass == 3 || !skip(rest, static_cast<char>('0' + status.klass)) || !skip(rest, '.'))
    return std::nullopt;
  const auto subject = number(rest);
  if (!subject || !skip(rest, '.')) return std::nullopt;
  const auto detail = number(rest);
  if (!detail || (!rest.empty() && !skip(rest, ' '))) return std::nullopt;
  status.subject = *subject;
  status.detail = *detail;
  text = rest;
  return status;
}

std::string for_people(std::string_view text) {
  const bool plain = text.size() <= longest_kept_text &&
                     std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
  return plain ? std::string(text) : text::printable(text, longest_kept_text);
}

}  // namespace

ReplyParser::State ReplyParser::fail(Errc code, std::string_view what) {
  error_ = Error(code, std::string(what));
  begun_ = false;
  reply_ = Reply();
  return State::failed;
}

ReplyParser::State ReplyParser::add(std::string_view line) {
  const std::uint16_t code = code_of(line);
  // A tab for the blank is not in the grammar. To call it nonsense would make a delivered message one whose fate nobody
  // knows, and send it again and again.
  const bool ends = line.size() <= 3 || line[3] == ' ' || line[3] == '\t';
  const bool separated = ends || line[3] == '-';
  if (code == 0 || !separated) return fail(Errc::protocol, "no SMTP reply: " + text::printable(line, 64));
  if (begun_ && code != reply_.code) {
    return fail(Errc::protocol, "reply changes its code from " + std::to_string(reply_.code) +
                                    " to that of: " + text::printable(line, 64));
  }
  if (reply_.lines.size() == most_reply_lines) {
    return fail(Errc::too_long, "reply of more than " + std::to_string(most_reply_lines) + " lines");
  }
  begun_ = true;
  reply_.code = code;
  const bool last = ends;
  std::string_view text = line.substr(std::min<std::size_t>(line.size(), 4));
  if (const auto status = take_status(text, code); status && !reply_.enhanced) {
    reply_.status = *status;
    reply_.enhanced = true;
  }
  reply_.lines.push_back(for_people(text));
  if (!last) return State::more;
  // A code of another class than the reply's is not believed (RFC 2034 §4); x.0.0 stands in for it.
  if (!reply_.enhanced && code / 100 != 3) reply_.status.klass = static_cast<std::uint8_t>(code / 100);
  begun_ = false;
  return State::done;
}

Reply ReplyParser::take() { return std::exchange(reply_, Reply()); }

}  // namespace sealpost::smtp
