// SPDX-License-Identifier: Apache-2.0
//
// A private key read from its PEM file into this process.
#pragma once

#include <string>
#include <string_view>

#include "keys/source.hpp"

namespace sealpost::keys {

// PEM text to a key that OpenSSL holds. Errc::invalid: no private key, or one behind a pass phrase, which is never asked for.
Expected<EvpKeyPtr> parse_key(std::string_view pem);
// The same from a file of at most 1 MiB that not every user of the machine may read (T-51). The text is wiped.
Expected<EvpKeyPtr> read_key_file(const std::string& path);

// See Key::sign.
Expected<std::string> sign_sha256(EVP_PKEY& key, std::string_view sha256);
Expected<std::string> public_key_of(EVP_PKEY& key);

KeyPtr hold(EvpKeyPtr key);

// Reads files, holds keys in this process.
class FileSource final : public Source {
 public:
  Expected<KeyPtr> load(const std::string& path, Use use) const override;
};

}  // namespace sealpost::keys
