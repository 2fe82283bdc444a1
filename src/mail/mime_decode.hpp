// SPDX-License-Identifier: Apache-2.0
//
// Content-Transfer-Encoding (RFC 2045 §6), read: tolerant where the meaning is sure, as what gateways add to a part on
// its way. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sealpost {

struct DecodedBody {
  std::string octets;
  std::string note;  // what was put up with; usually empty
};

// Nothing: the encoding is broken, or not one of RFC 2045. `encoding` in lower case.
std::optional<DecodedBody> decode_body(std::string_view body, std::string_view encoding);

// Blanks and line ends are skipped. Text that follows the data is left out (a list's or a scanner's footer), padding that
// lacks is added; both are noted.
std::optional<DecodedBody> decode_base64(std::string_view body);
// §6.7: soft line ends go, blanks before a line end are the transport's.
std::string decode_quoted_printable(std::string_view body);

int hex_value(char c) noexcept;  // -1: none

}  // namespace sealpost
