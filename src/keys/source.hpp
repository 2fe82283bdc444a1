// SPDX-License-Identifier: Apache-2.0
//
// Private keys by file name, without saying where they live. The relay takes them from a process of their own
// (key_process.hpp), which parses nothing that a peer sent (T-53); `sealpost check` and tests read the files in place.
//
//   auto key = source.load("/etc/sealpost/tls/key.pem", Use::tls);   // mode, PEM, no pass phrase
//   SSL_CTX_use_PrivateKey(context, (*key)->tls.get());
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/openssl_handles.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::keys {

// One private key. Shared, immutable, usable from any thread, as long as its source lives.
struct Key {
  EvpKeyPtr tls;  // for SSL_CTX and SSL: has the public part; private operations may ask another process
  std::string public_key;  // SubjectPublicKeyInfo, DER
  // The signature over a SHA-256 value: RSASSA-PKCS1-v1_5 (RFC 8017 §8.2), ECDSA, or Ed25519 over the 32 octets
  // themselves (RFC 8463 §3).
  std::function<Expected<std::string>(std::string_view sha256)> sign;
};
using KeyPtr = std::shared_ptr<const Key>;

enum class Use : std::uint8_t {
  tls,      // Key::tls proves an identity in handshakes
  signing,  // Key::sign alone is used
};

class Source {
 public:
  virtual ~Source() = default;
  // Errors name the file and what would be right: no PEM, a pass phrase, or open to every user of the machine (T-51).
  // Errc::unavailable: it cannot be said now. Blocks for as long as reading a file takes.
  virtual Expected<KeyPtr> load(const std::string& path, Use use) const = 0;
};

}  // namespace sealpost::keys
