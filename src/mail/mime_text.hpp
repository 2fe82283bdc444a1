// SPDX-License-Identifier: Apache-2.0
//
// Pieces of mail text made by us: folded fields (RFC 5322 §2.2.3) and quoted-printable bodies (RFC 2045
// §6.7).
#pragma once

#include <string>
#include <string_view>

namespace sealpost {

// "Name: value\r\n" with folds before blanks so that lines stay near 78 octets. Blanks, CR and LF in the
// value become single blanks, other controls and 8-bit octets \xHH: a value cannot end its field (N11, T-48).
std::string folded_field(std::string_view name, std::string_view value);
// Lines end in CRLF whatever they ended in before (T-22); the last one too.
std::string with_crlf(std::string_view text);
bool needs_encoding(std::string_view text) noexcept;  // 8-bit octets, NUL, or a line over 998 octets
std::string quoted_printable(std::string_view text);  // of lines with any ends

}  // namespace sealpost
