// SPDX-License-Identifier: Apache-2.0
#include "smtp/dot_stuffing.hpp"

namespace sealpost::smtp {

namespace {
constexpr std::string_view crlf = "\r\n";
constexpr std::string_view dot = ".";
constexpr std::size_t npos = std::string_view::npos;
}  // namespace

DotStuffer::Run DotStuffer::next(std::string_view rest) noexcept {
  if (at_ == At::cr) {
    at_ = At::line_start;
    return {0, crlf, rest.front() == '\n' ? 1U : 0U};
  }
  const bool stuffs = dots_ == Dots::doubled;
  if (stuffs && at_ == At::line_start && rest.front() == '.') {
    at_ = At::text;
    return {0, dot, 0};
  }
  // Line by line: find() is memchr, so an ordinary line costs two calls and no octet is looked at by hand.
  for (std::size_t from = 0;;) {
    const std::size_t lf = rest.find('\n', from);
    const std::size_t end = lf == npos ? rest.size() : lf;
    const std::size_t cr = rest.substr(from, end - from).find('\r');
    if (cr != npos && from + cr + 1 == rest.size()) {
      at_ = At::cr;
      return {from + cr, {}, 1};
    }
    if (cr != npos && from + cr + 1 != lf) {
      at_ = At::line_start;
      return {from + cr, crlf, 1};
    }
    if (cr == npos && lf != npos) {
      at_ = At::line_start;
      return {lf, crlf, 1};
    }
    if (lf == npos) {
      at_ = At::text;
      return {rest.size(), {}, 0};
    }
    from = lf + 1;
    if (from == rest.size()) {
      at_ = At::line_start;
      return {from, {}, 0};
    }
    if (stuffs && rest[from] == '.') {
      at_ = At::text;
      return {from, dot, 0};
    }
  }
}

std::string_view DotStuffer::finish() noexcept {
  if (dots_ == Dots::kept) return at_ == At::line_start ? std::string_view() : crlf;
  // A body that does not end in CRLF gets one, for the dot must stand on its own line.
  return at_ == At::line_start ? std::string_view(".\r\n") : std::string_view("\r\n.\r\n");
}

void DotStuffer::append(std::string_view piece, std::string& out) {
  while (!piece.empty()) {
    const Run run = next(piece);
    out.append(piece.substr(0, run.verbatim)).append(run.insert);
    piece.remove_prefix(run.verbatim + run.skip);
  }
}

}  // namespace sealpost::smtp
