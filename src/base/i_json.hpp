// SPDX-License-Identifier: Apache-2.0
//
// JSON of strangers: I-JSON (RFC 7493: UTF-8, no member twice, whole numbers up to 2^53-1) within bounds, looked at
// before anything is built of it. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <nlohmann/json.hpp>

#include "sealpost/expected.hpp"

namespace sealpost {

struct JsonBounds {
  std::size_t depth = 16;
  std::size_t values = 400'000;  // of all kinds, in the whole text
  std::size_t members = 64;      // of one object
};

inline constexpr std::uint64_t most_i_json_number = (std::uint64_t(1) << 53) - 1;

// Errc::invalid and Errc::too_long say what and where: "/policies/0/summary: member 'x' is there twice".
Expected<nlohmann::json> parse_i_json(std::string_view text, const JsonBounds& bounds = {});

}  // namespace sealpost
