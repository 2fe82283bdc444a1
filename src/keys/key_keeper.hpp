// SPDX-License-Identifier: Apache-2.0
//
// What the key process does with a request: holds keys, and signs with them. No sockets here; tests call it in place.
#pragma once

#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

#include "base/openssl_handles.hpp"
#include "keys/protocol.hpp"

namespace sealpost::keys {

class KeyKeeper {
 public:
  // Loads from these directories and those below them only, so that who takes over the relay's process cannot have other keys of the machine
  // used. Absolute, without "..".
  explicit KeyKeeper(std::vector<std::string> directories);

  Answer answer(const Request& request);  // any thread
  std::size_t size() const;

 private:
  Answer load(const Request& request);
  Answer sign(const Request& request);

  const std::vector<std::string> directories_;
  mutable std::shared_mutex mutex_;
  std::map<std::uint32_t, std::shared_ptr<EVP_PKEY>> keys_;
  std::uint32_t next_ = 1;
};

// The directory that a key file's path names, absolute, for KeyKeeper.
std::string directory_of(const std::string& path);

}  // namespace sealpost::keys
