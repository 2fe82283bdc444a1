// SPDX-License-Identifier: Apache-2.0
//
// Finds <CRLF>.<CRLF>, the end of mail data (RFC 5321 §4.1.1.4), in a stream cut at any place. Strict: a bare
// LF or CR is an ordinary byte. Only dots are looked at closely, so 64 KB of text costs a few memchr calls.

#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>

namespace bench {

class EndOfData {
 public:
  // Just after the 354 the CRLF of the DATA line counts as the first two bytes: an empty message is "."
  // alone.
  void restart() { matched_ = 2; }

  // Number of bytes of `chunk` that belong to the message including its end. `found` says whether the end is
  // there.
  std::size_t scan(std::string_view chunk, bool& found) {
    found = false;
    std::size_t at = 0;
    while (at < chunk.size()) {
      if (matched_ == 0) skip_to_candidate(chunk, at);
      matched_ = next(matched_, chunk[at++]);
      if (matched_ == sizeof end - 1) {
        found = true;
        return at;
      }
    }
    return at;
  }

 private:
  static constexpr char end[] = "\r\n.\r\n";

  static std::size_t next(std::size_t matched, char c) {
    if (c == end[matched]) return matched + 1;
    if (c == '\r') return 1;
    return 0;
  }

  // With nothing matched so far an end can only begin at a CR ahead: at the CRLF before the next dot that has
  // one, or in the last two bytes, which are left to the exact matcher.
  static void skip_to_candidate(std::string_view chunk, std::size_t& at) {
    for (std::size_t from = at; from < chunk.size();) {
      const auto* dot = static_cast<const char*>(std::memchr(chunk.data() + from, '.', chunk.size() - from));
      if (dot == nullptr) break;
      const auto place = static_cast<std::size_t>(dot - chunk.data());
      if (place >= at + 2 && dot[-1] == '\n' && dot[-2] == '\r') {
        at = place - 2;
        return;
      }
      from = place + 1;
    }
    if (chunk.size() > at + 2) at = chunk.size() - 2;
  }

  std::size_t matched_ = 2;
};

}  // namespace bench
