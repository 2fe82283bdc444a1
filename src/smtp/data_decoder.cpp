// SPDX-License-Identifier: Apache-2.0
#include "smtp/data_decoder.hpp"

#include <cstring>

namespace sealpost::smtp {
namespace {

// First occurrence of `c` in [from, to), or `to`.
const char* find(const char* from, const char* to, char c) noexcept {
  const void* hit = std::memchr(from, c, static_cast<std::size_t>(to - from));
  return hit ? static_cast<const char*>(hit) : to;
}

}  // namespace

// Content goes out in the longest runs that the input allows: one copy per call unless a dot was doubled.
// NUL and 8-bit octets are looked for eight at a time, beside the copy.
void DataDecoder::keep(std::string_view octets, std::string& out) {
  out.append(octets);
  constexpr std::uint64_t ones = 0x0101010101010101U;
  std::uint64_t seen = 0;
  std::uint64_t zeros = 0;
  while (octets.size() >= sizeof(std::uint64_t)) {
    std::uint64_t word;
    std::memcpy(&word, octets.data(), sizeof word);
    seen |= word;
    zeros |=
        (word - ones) & ~word & kHighBits;  // a lane is set when its octet is 0 (and only if some octet is)
    octets.remove_prefix(sizeof word);
  }
  for (const char c : octets) {
    seen |= static_cast<unsigned char>(c);
    if (c == '\0') zeros = kHighBits;
  }
  seen_ |= seen;
  if (zeros != 0 && !is_past_lines()) nul_ = true;
}

DataDecoder::Result DataDecoder::decode(std::string_view in, std::string& out) {
  const char* const begin = in.data();
  const char* const end = begin + in.size();
  const char* run = begin;  // content not yet copied starts here
  const char* p = begin;
  const auto stop = [&](State state, const char* where) {
    return Result{state, static_cast<std::size_t>(where - begin)};
  };
  const auto keep_to = [&](const char* where) {
    keep({run, static_cast<std::size_t>(where - run)}, out);
    run = where;
  };
  // `p` is behind the end of a line. The first empty one ends the header.
  const auto next_line = [&](At at) {
    if (line_ == 0 && !head_ended_) {
      keep_to(p);
      head_ended_ = true;
      eight_bit_head_ = eight_bit();
    }
    longest_ = longest_line();
    line_ = 0;
    at_ = at;
  };

  while (p != end && !is_past_lines()) {
    switch (at_) {
      case At::line_start:
      case At::after_lf:
        if (*p == '.' && framing_ == Framing::final_dot) {
          keep_to(p);
          run = ++p;  // the dot is not content, whatever follows (RFC 5321 §4.5.2)
          may_end_ = at_ == At::line_start;
          at_ = At::dot;
        } else {
          at_ = At::text;
        }
        break;

      case At::dot:
        if (*p == '\r') {
          ++p;
          at_ = At::dot_cr;
        } else {
          at_ = At::text;
        }
        break;

      case At::dot_cr:
        if (*p != '\n') return stop(State::bare_cr, p);
        ++p;
        if (may_end_) return stop(State::end, p);
        out.append("\r\n");  // LF "." CRLF: a line with nothing but the dot of its stuffing
        run = p;
        next_line(At::line_start);
        break;

      case At::text: {
        const char* const lf = find(p, end, '\n');
        const char* const cr = find(p, lf, '\r');
        if (cr == lf && lf != end && bare_newline_ == BareNewline::reject) return stop(State::bare_lf, lf);
        line_ += static_cast<std::uint64_t>(cr - p);
        p = cr;
        if (p == end) break;
        if (cr != lf) {
          ++p;
          at_ = At::cr;
          break;
        }
        keep_to(p);
        out.append("\r\n");
        run = ++p;
        mended_header_ = mended_header_ || !head_ended_;
        next_line(At::after_lf);
        break;
      }

      case At::cr:
        if (*p != '\n') return stop(State::bare_cr, p);
        ++p;
        next_line(At::line_start);
        break;
    }
  }
  // A CR after a leading dot is kept back: it is content only if the line turns out not to be the end.
  if (at_ != At::dot_cr) keep_to(end);
  return stop(State::more, end);
}

DataDecoder::State DataDecoder::finish(std::string& out) {
  if (is_past_lines()) return State::end;
  if (at_ == At::cr) return State::bare_cr;
  if (at_ == At::text) out.append("\r\n");
  return State::end;
}

}  // namespace sealpost::smtp
