// SPDX-License-Identifier: Apache-2.0
//
// DataDecoder: the octets of a message on their way in: what follows a 354, up to the final dot (RFC 5321 §4.1.1.4,
// §4.5.2), or the chunks of BDAT one behind the other (RFC 3030 §2). A stream decoder: any slices in, message octets
// out, nothing kept but one state. What comes out has only CRLF at the end of a line, and only CRLF "." CRLF ends the
// data, whatever the listener makes of a bare LF: servers that guess there can be made to see two messages where we see
// one (T-21, RFC 5321 §2.3.8). The sending direction is dot_stuffing.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sealpost::smtp {

// An LF without a CR before it, in message data. A bare CR is refused either way: nobody knows what it was to be.
enum class BareNewline : std::uint8_t {
  reject,
  normalize,  // it ends a line, and goes on as CRLF; a dot on a line that it begins or ends is no end of the data
};

class DataDecoder {
 public:
  enum class Framing : std::uint8_t {
    final_dot,  // DATA: dots are stuffed, one by itself is the end
    counted,  // BDAT: no octet means anything but itself; the caller knows where the end is, and calls finish()
    binary,  // the same with BODY=BINARYMIME: behind the header octets are no lines, and stay as they are (RFC 3030 §3)
  };
  enum class State : std::uint8_t {
    more,     // everything was consumed, the end has not come
    end,      // the final dot and its CRLF are consumed; what follows is the next command
    bare_cr,  // a CR that no LF follows
    bare_lf,  // an LF without a CR before it, where that is refused
  };
  struct Result {
    State state = State::more;
    std::size_t consumed = 0;
  };

  explicit DataDecoder(BareNewline bare_newline = BareNewline::reject,
                       Framing framing = Framing::final_dot) noexcept
      : bare_newline_(bare_newline), framing_(framing) {}

  // Decodes from the front of `in`, appends the message's octets to `out`: dot-stuffing removed, the final dot left
  // out. Call again with what follows until the state is not `more`.
  Result decode(std::string_view in, std::string& out);
  // The octets have been counted: `end`, or `bare_cr` when they stop at one. A last line without an end gets one, as in
  // DATA it must have one; but for binary content, to which nothing is added.
  State finish(std::string& out);

  bool eight_bit() const noexcept { return (seen_ & kHighBits) != 0; }  // some octet above 127
  bool eight_bit_header() const noexcept { return head_ended_ ? eight_bit_head_ : eight_bit(); }
  bool nul() const noexcept { return nul_; }  // some octet 0; of binary mail, in the header
  // A bare LF was made CRLF in the header: who passed it on may have seen other fields than we do.
  bool mended_header() const noexcept { return mended_header_; }
  // Octets of the longest line without its end, as it goes on: a doubled dot counts once (RFC 5321 §4.5.3.1.6). Of binary
  // mail, in the header.
  std::uint64_t longest_line() const noexcept { return longest_ > line_ ? longest_ : line_; }

 private:
  enum class At : std::uint8_t {
    line_start,  // behind a CRLF, or at the beginning: a leading dot may be the end
    after_lf,    // behind a bare LF: a leading dot is stuffing, and never the end
    dot,         // after a leading dot, which is never content
    dot_cr,      // after a leading dot and CR
    text,
    cr,  // after a CR within or at the end of a line
  };
  static constexpr std::uint64_t kHighBits = 0x8080808080808080U;

  void keep(std::string_view octets, std::string& out);
  bool is_past_lines() const noexcept { return framing_ == Framing::binary && head_ended_; }

  At at_ = At::line_start;
  BareNewline bare_newline_;
  Framing framing_;
  bool may_end_ = false;  // the dot stands behind a CRLF
  bool nul_ = false;
  bool head_ended_ = false;  // an empty line has come
  bool eight_bit_head_ = false;
  bool mended_header_ = false;
  std::uint64_t seen_ = 0;  // all octets of content, or-ed in eight lanes
  std::uint64_t line_ = 0;  // octets of the line under way
  std::uint64_t longest_ = 0;
};

}  // namespace sealpost::smtp
