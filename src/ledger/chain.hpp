// SPDX-License-Identifier: Apache-2.0
//
// The chain of the ledger (docs/ledger.md, The chain): each row is hashed together with the hash before it, so that none can be
// changed, dropped, added or moved without changing all that follow; and what stands in a row for an address. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/digest.hpp"
#include "base/openssl_handles.hpp"

namespace sealpost::ledger {

// h(i) = SHA-256(h(i-1) || payload(i)).
class Chain {
 public:
  Chain();
  // Goes on behind `hash`.
  void begin(const Sha256& hash) noexcept { hash_ = hash; }
  void add(std::string_view payload);
  const Sha256& hash() const noexcept { return hash_; }
  // The first 32 bits of the hash: kept beside each row, so that a break can be located. Proves nothing by itself.
  std::uint32_t check() const noexcept;

 private:
  std::unique_ptr<EVP_MD, FreeWith<EVP_MD_free>> sha256_;
  EvpDigestContextPtr context_;
  Sha256 hash_{};
};

std::string hex_of(const Sha256& hash);
// False: no 64 hexadecimal digits.
bool read_hash(std::string_view hex, Sha256& into);

// base64url without padding (RFC 4648 §5): what stands in a payload for octets.
std::string short_text(std::string_view octets);

// A keyed hash that stands for an address: HMAC-SHA-256 with the day's key over it in lower case (ASCII), 16 octets of it. Without
// the key nobody can tell whose it is, nor whether two days are about the same address.
class Commitments {
 public:
  static constexpr std::size_t key_size = 32;
  static constexpr std::size_t size = 16;
  Commitments();
  void use(std::string_view key);
  std::string of(std::string_view address);  // `size` octets

 private:
  struct FreeMac {
    void operator()(EVP_MAC* mac) const noexcept { EVP_MAC_free(mac); }
    void operator()(EVP_MAC_CTX* context) const noexcept { EVP_MAC_CTX_free(context); }
  };
  std::unique_ptr<EVP_MAC, FreeMac> mac_;
  std::unique_ptr<EVP_MAC_CTX, FreeMac> context_;
};

// What a row is found by: the first 32 bits of a commitment or digest.
std::int64_t word_of(std::string_view octets) noexcept;

}  // namespace sealpost::ledger
