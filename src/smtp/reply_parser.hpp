// SPDX-License-Identifier: Apache-2.0
//
// Reply lines to a Reply (RFC 5321 §4.2, RFC 2034 §4). Whatever a peer sends ends in a reply or in one error,
// after a bounded number of octets (T-25, T-34). Pure; the session reads the lines.
#pragma once

#include <cstddef>
#include <string_view>

#include "sealpost/error.hpp"
#include "smtp/reply.hpp"

namespace sealpost::smtp {

inline constexpr std::size_t longest_reply_line = 4096;  // octets with its end; RFC 5321 §4.5.3.1.5 says 512
// A reply to EHLO has a line for each keyword, and some hosts have hundreds: what stands in the last of them counts, too.
inline constexpr std::size_t most_reply_lines = 1024;
inline constexpr std::size_t longest_kept_text = 512;  // of one line, for people

class ReplyParser {
 public:
  enum class State { more, done, failed };

  // The next line without its end.
  State add(std::string_view line);
  Reply take();  // once, after done; the parser begins anew
  const Error& error() const noexcept { return error_; }

 private:
  State fail(Errc code, std::string_view what);

  Reply reply_;
  bool begun_ = false;
  Error error_{Errc::protocol, {}};
};

}  // namespace sealpost::smtp
