// SPDX-License-Identifier: Apache-2.0
//
// Names and passwords: which there may be, and how a password is kept (T-33): as yescrypt, which costs who steals the file
// 16 MiB and some milliseconds for each guess. Pure but for randomness; hashing takes that long too, so never on a loop.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "auth/secret.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::auth {

constexpr std::size_t longest_name = 255;      // octets
constexpr std::size_t longest_password = 511;  // octets: libcrypt takes no more

// As names are kept and compared: valid UTF-8 without control characters and without blanks at its ends, ASCII letters
// lower. Nothing else is folded or normalised (docs/submission.md). Errc::invalid says what is wrong.
Expected<std::string> prepared_name(std::string_view typed);
// Valid UTF-8 without control characters. Compared as it is.
Expected<void> check_password(std::string_view password);

Secret generate_password();  // 120 random bits, in letters and digits that are not mistaken for each other

Expected<std::string> hash_password(const Secret& password);
// The same work whether it is right or wrong, as long as the hashes are of one kind.
bool matches(const Secret& password, const std::string& hash);
// What a password is held against where there is none: nothing matches it, with the work of one that hash_password() made.
const std::string& nobodys_hash();
// Is it a hash of a kind that is fit for passwords? A password in clear is none, nor is one of crypt's old kinds.
bool is_fit(const std::string& hash);

}  // namespace sealpost::auth
