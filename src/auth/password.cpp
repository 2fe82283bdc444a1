// SPDX-License-Identifier: Apache-2.0
#include "auth/password.hpp"

#include <crypt.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>

#include "base/random.hpp"
#include "base/text.hpp"

namespace sealpost::auth {
namespace {

constexpr const char* kind = "$y$";  // yescrypt, at libcrypt's own cost: it knows what is usual
constexpr std::size_t salt_octets = 32;

bool is_control(std::uint32_t code) noexcept { return code < 0x20 || (code >= 0x7f && code < 0xa0); }

Expected<void> check_text(const std::string& what, std::string_view text, std::size_t longest) {
  if (text.empty()) return Error(Errc::invalid, what + " is empty");
  if (text.size() > longest)
    return Error(Errc::invalid, what + " is longer than " + std::to_string(longest) + " octets");
  for (std::string_view rest = text; !rest.empty();) {
    const auto unit = text::decode_utf8(rest);
    if (!unit.well_formed) return Error(Errc::invalid, what + " is not valid UTF-8");
    if (is_control(unit.code)) return Error(Errc::invalid, what + " has a control character in it");
    rest.remove_prefix(unit.length);
  }
  return {};
}

std::string new_setting() {
  std::array<std::uint8_t, salt_octets> salt{};
  random_bytes(salt);
  std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> setting{};
  const char* made =
      ::crypt_gensalt_rn(kind, 0, reinterpret_cast<const char*>(salt.data()), static_cast<int>(salt.size()),
                         setting.data(), static_cast<int>(setting.size()));
  return made == nullptr ? std::string() : std::string(made);
}

std::string crypted(const char* password, const std::string& setting) {
  const auto room = std::make_unique<crypt_data>();  // 32 KiB
  const char* hash = ::crypt_rn(password, setting.c_str(), room.get(), static_cast<int>(sizeof(crypt_data)));
  std::string result = hash == nullptr ? std::string() : std::string(hash);
  OPENSSL_cleanse(room.get(), sizeof(crypt_data));
  return result;
}

}  // namespace

Expected<std::string> prepared_name(std::string_view typed) {
  if (auto good = check_text("the name", typed, longest_name); !good) return good.error();
  if (text::trim(typed) != typed) return Error(Errc::invalid, "the name begins or ends with a blank");
  return text::lower(typed);
}

Expected<void> check_password(std::string_view password) {
  return check_text("the password", password, longest_password);
}

Secret generate_password() {
  constexpr std::string_view letters = "abcdefghijkmnpqrstuvwxyz23456789";  // 5 bits each; no l, o, 0, 1
  static_assert(letters.size() == 32);
  constexpr std::size_t groups = 6, in_a_group = 4;
  std::string password;
  for (std::size_t i = 0; i < groups * in_a_group; ++i) {
    if (i > 0 && i % in_a_group == 0) password += '-';
    password += letters[random_below(letters.size())];
  }
  return Secret::taken_from(password);
}

Expected<std::string> hash_password(const Secret& password) {
  if (auto good = check_password(password.view()); !good) return good.error();
  std::string hash = crypted(password.c_str(), new_setting());
  if (!is_fit(hash)) return Error(Errc::unavailable, "libcrypt of this machine does not know yescrypt");
  return hash;
}

bool matches(const Secret& password, const std::string& hash) {
  // What cannot be a password, such as one with a NUL, of which libcrypt would see the first half alone, is worth as much
  // work as any other.
  const bool possible = check_password(password.view()).has_value();
  const std::string found = crypted(possible ? password.c_str() : "-", hash);
  return possible && !found.empty() && found.size() == hash.size() &&
         CRYPTO_memcmp(found.data(), hash.data(), hash.size()) == 0;
}

const std::string& nobodys_hash() {
  // A setting without a hash: what comes out is longer, always.
  static const std::string setting = new_setting();
  return setting;
}

bool is_fit(const std::string& hash) {
  constexpr std::array<std::string_view, 4> kinds = {"$y$", "$gy$", "$7$", "$2b$"};
  const auto begins = [&](std::string_view known) { return hash.starts_with(known); };
  return std::any_of(kinds.begin(), kinds.end(), begins) && ::crypt_checksalt(hash.c_str()) == CRYPT_SALT_OK;
}

}  // namespace sealpost::auth
