// SPDX-License-Identifier: Apache-2.0
//
// An EVP_PKEY with the public part only, whose private operations are somebody else's: OpenSSL's RSA_METHOD and
// EC_KEY_METHOD, which libssl and the EVP functions honour in 3.0 (a key with a method of its own is never exported to
// a provider).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/openssl_handles.hpp"
#include "keys/protocol.hpp"

namespace sealpost::keys {

class RemoteSigner {
 public:
  virtual ~RemoteSigner() = default;  // the key is no longer used
  // The operation's result; empty: it could not be had.
  virtual std::string sign(Operation operation, std::uint8_t padding, std::string_view input) const = 0;
};

// RSA or EC. Null for other kinds of key. The EVP_PKEY shares ownership of the signer.
EvpKeyPtr remote_key(const std::string& public_key, std::shared_ptr<const RemoteSigner> signer);

}  // namespace sealpost::keys
