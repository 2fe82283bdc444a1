// SPDX-License-Identifier: Apache-2.0
//
// A message body as it goes out after 354 (RFC 5321 §4.5.2): a leading dot is doubled, the end is CRLF "."
// CRLF, and nothing but CRLF ends a line, whatever the body holds: a bare CR or LF becomes one (§2.3.8), or a
// lax server could see two messages in it (T-22). In chunks (RFC 3030) the same holds of line ends, and a dot is a dot. The
// receiving direction is data_decoder.hpp. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sealpost::smtp {

enum class Dots : std::uint8_t { doubled, kept };

class DotStuffer {
 public:
  explicit DotStuffer(Dots dots = Dots::doubled) noexcept : dots_(dots) {}
  // How the rest of a piece goes out: `verbatim` octets of it as they are, then `insert`; `skip` octets are
  // dropped.
  struct Run {
    std::size_t verbatim = 0;
    std::string_view insert;
    std::size_t skip = 0;
  };
  // For a piece that is not empty; call again with what is left of it after `verbatim` and `skip`.
  Run next(std::string_view rest) noexcept;
  // What ends the data, where dots are kept its last line. Once, after the last piece.
  std::string_view finish() noexcept;

  // The same for whoever has a place to copy to.
  void append(std::string_view piece, std::string& out);

 private:
  enum class At : std::uint8_t {
    line_start,
    text,
    cr,  // a CR ended the last piece and is withheld: what follows decides about it
  };
  Dots dots_;
  At at_ = At::line_start;
};

}  // namespace sealpost::smtp
