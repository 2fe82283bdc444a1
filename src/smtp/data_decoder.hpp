// SPDX-License-Identifier: Apache-2.0
//
// DataDecoder: what follows a 354, up to the final dot (RFC 5321 §4.1.1.4, §4.5.2). A stream decoder: any
// slices in, message octets out, nothing kept but one state. Only CRLF ends a line and only CRLF "." CRLF
// ends the data; a CR or LF by itself is an error, because servers that guess there can be made to see two
// messages where we see one (T-21, RFC 5321 §2.3.8). The sending direction is dot_stuffing.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sealpost::smtp {

class DataDecoder {
 public:
  enum class State : std::uint8_t {
    more,     // everything was consumed, the end has not come
    end,      // the final dot and its CRLF are consumed; what follows is the next command
    bare_cr,  // a CR that no LF follows: the session has lost step, close it
    bare_lf,  // an LF without a CR before it: likewise
  };
  struct Result {
    State state = State::more;
    std::size_t consumed = 0;
  };

  // Decodes from the front of `in`, appends the message's octets to `out`: line ends kept, dot-stuffing
  // removed, the final dot left out. Call again with what follows until the state is not `more`.
  Result decode(std::string_view in, std::string& out);

  bool eight_bit() const noexcept { return (seen_ & kHighBits) != 0; }  // some octet above 127
  bool nul() const noexcept { return nul_; }                            // some octet 0

 private:
  enum class At : std::uint8_t {
    line_start,  // a leading dot means something here
    dot,         // after a leading dot, which is never content
    dot_cr,      // after a leading dot and CR
    text,
    cr,  // after a CR within or at the end of a line
  };
  static constexpr std::uint64_t kHighBits = 0x8080808080808080U;

  void keep(std::string_view octets, std::string& out);

  At at_ = At::line_start;
  bool nul_ = false;
  std::uint64_t seen_ = 0;  // all octets of content, or-ed in eight lanes
};

}  // namespace sealpost::smtp
