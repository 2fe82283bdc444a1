// SPDX-License-Identifier: Apache-2.0
//
// SCRAM-SHA-256 and -PLUS as the server hears them (RFC 5802 §5-7, RFC 7677), with channel bindings tls-exporter (RFC 9266)
// and tls-server-end-point (RFC 5929 §4). Pure: keys and nonce come in as arguments. The password is never here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "auth/secret.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::auth {

inline constexpr std::size_t nonce_octets = 18;  // of randomness in a nonce of ours

// Who steals the file guesses against these keys, for they are cheaper to try than the hash beside them; who logs in
// works them out anew each time, on a telephone too (ADR 36). RFC 7677 §4 asks for 4096 at least.
constexpr std::uint32_t scram_iterations = 100'000;
constexpr std::uint32_t least_scram_iterations = 4096;
constexpr std::size_t scram_salt_octets = 16, scram_key_octets = 32;

struct ScramKeys {
  std::string salt;
  std::uint32_t iterations = 0;
  std::string stored_key, server_key;
  bool operator==(const ScramKeys&) const = default;
};
// Slow: never on a loop.
ScramKeys scram_keys(const Secret& password, std::string salt, std::uint32_t iterations = scram_iterations);
ScramKeys new_scram_keys(const Secret& password);
// For a name that nobody has, or that has no keys: nothing proves them, and they are the same at each try, so that nobody
// can tell (T-32).
ScramKeys nobodys_scram_keys(std::string_view secret, std::string_view name);

std::string hmac_sha256(std::string_view key, std::string_view text);

struct ScramBinding {
  ScramBinding() = default;
  bool plus = false;                 // the mechanism that was begun
  std::string tls_exporter;          // empty: not to be had
  std::string tls_server_end_point;  // the same
  bool can_bind() const noexcept { return !tls_exporter.empty() || !tls_server_end_point.empty(); }
};

class ScramServer {
 public:
  // `nonce`: printable, without a comma.
  ScramServer(ScramBinding binding, std::string nonce)
      : binding_(std::move(binding)), nonce_(std::move(nonce)) {}

  // Errc::invalid: not what RFC 5802 §7 says; Errc::refused: a binding that we have not, or a client that was told of
  // none although there is one, which means that somebody stands between.
  Expected<void> hear_first(std::string_view message);
  const std::string& name() const noexcept { return name_; }                    // unescaped
  const std::string& authorization() const noexcept { return authorization_; }  // empty: as oneself

  std::string challenge(const ScramKeys& keys);

  // The server's last word; Errc::refused: the proof is not one of these keys, or the channel is another than the
  // client's; Errc::invalid.
  Expected<std::string> hear_final(std::string_view message, const ScramKeys& keys) const;

 private:
  Expected<void> hear_binding(std::string_view flag);
  ScramBinding binding_;
  std::string nonce_;
  std::string header_;  // as the client sent it
  std::string bound_;   // octets of the channel that the client has to name; empty: none
  std::string name_, authorization_, first_bare_, server_first_;
};

}  // namespace sealpost::auth
