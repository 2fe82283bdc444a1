// SPDX-License-Identifier: Apache-2.0
//
// What people write and read: patterns, words that are nearly right, large numbers.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sealpost::text {

// Does the text look like the pattern? `*` stands for any run of characters, letters count the same in either case.
bool like(std::string_view pattern, std::string_view s) noexcept;
// The one of `known` that was most likely meant; empty: none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> known);
std::string grouped(std::uint64_t number);  // 1,128

}  // namespace sealpost::text
