// SPDX-License-Identifier: Apache-2.0
//
// gzip, whole texts in memory. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "sealpost/expected.hpp"

namespace sealpost {

// RFC 1952, no name, no time: the same text gives the same octets.
// `level` as zlib has it: 9 takes the least room, 1 the least time.
std::string gzip(std::string_view text, int level = 9);
// At most `most` octets come out (T-46). Errc::invalid: no gzip; Errc::too_long.
Expected<std::string> gunzip(std::string_view octets, std::size_t most);

}  // namespace sealpost
