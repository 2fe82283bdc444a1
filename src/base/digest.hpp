// SPDX-License-Identifier: Apache-2.0
//
// SHA-256, for identities: rule hashes, derived message ids, digests of record sets.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace sealpost {

using Sha256 = std::array<std::uint8_t, 32>;
Sha256 sha256(std::string_view bytes);
std::string sha256_hex(std::string_view bytes);     // lower case
std::string sha256_octets(std::string_view bytes);  // the 32 octets

// The same in pieces.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(const Sha256Stream&) = delete;
  Sha256Stream& operator=(const Sha256Stream&) = delete;
  void add(std::string_view bytes);
  std::string finish_hex();  // once; lower case

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sealpost
