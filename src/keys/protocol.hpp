// SPDX-License-Identifier: Apache-2.0
//
// What the relay and the key process say to each other: one request and one answer at a time on a SOCK_SEQPACKET pair,
// a datagram each. Both ends are one binary; octets are in the machine's own order. The key process takes nothing on
// trust: lengths and numbers are checked, since the relay's process may have fallen.
//
//   request: operation (1), key (4), padding (1), payload       path, or what is to be signed
//   answer:  outcome (1), payload                               signature, or words; after `load`: see Loaded
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sealpost::keys {

constexpr std::size_t largest_packet = 32 * 1024;
constexpr std::size_t largest_path = 4096;
constexpr std::size_t largest_input = 2048;  // an RSA block of 16,384 bits
constexpr std::size_t most_keys = 20'000;    // held at once: a reload holds the old and the new ones

enum class Operation : std::uint8_t {
  load,          // payload: path
  load_for_tls,  // the same; an Ed25519 key is handed over, since OpenSSL cannot ask elsewhere for its signatures
  rsa,           // one private operation with this padding (RSA_PKCS1_PADDING or RSA_NO_PADDING)
  ecdsa,         // over a digest
  ed25519,       // over the octets
  release,       // forget the key
};
enum class Outcome : std::uint8_t { done, invalid, io, unavailable, refused };

struct Request {
  Operation operation = Operation::load;
  std::uint32_t key = 0;
  std::uint8_t padding = 0;
  std::string payload;
};
std::string encode(const Request& request);
std::optional<Request> decode_request(std::string_view packet);

struct Answer {
  Outcome outcome = Outcome::unavailable;
  std::string payload;
};
std::string encode(const Answer& answer);
std::optional<Answer> decode_answer(std::string_view packet);

// The payload of a `load` that was done.
struct Loaded {
  std::uint32_t key = 0;
  std::string public_key;   // SubjectPublicKeyInfo, DER
  std::string private_key;  // PKCS #8, DER; empty but for an Ed25519 key for TLS
};
std::string encode(const Loaded& loaded);
std::optional<Loaded> decode_loaded(std::string_view payload);

}  // namespace sealpost::keys
