// SPDX-License-Identifier: Apache-2.0
//
// The key that signs the heads of a ledger: Ed25519, in a PEM file of its own. Blocking: never on an event loop.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "keys/source.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::ledger {

struct Signer {
  std::string public_key;                                            // 32 octets
  std::function<Expected<std::string>(std::string_view text)> sign;  // see signature_holds()
};

// Where there is no file, one with a new key is made, private to the owner. Nothing happens when there is one.
Expected<void> make_key_file(const std::string& path);
// Errc::invalid: not an Ed25519 key.
Expected<Signer> signer_of(const keys::KeyPtr& key);

// The public key in a file: PEM of a public or of a private key, or 64 hexadecimal digits.
Expected<std::string> read_public_key(const std::string& path);
// PEM (SubjectPublicKeyInfo), as other programs take it.
std::string public_pem(std::string_view public_key);

}  // namespace sealpost::ledger
