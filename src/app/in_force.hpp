// SPDX-License-Identifier: Apache-2.0
//
// Everything a reload replaces, read and checked whole, and from then on never changed (T-52): workers get it as one
// pointer, sessions and attempts keep the one they began with. ADR 16.
#pragma once

#include <memory>
#include <mutex>

#include "app/dkim_setup.hpp"
#include "config/config.hpp"
#include "delivery/context.hpp"
#include "tls/client_certificate.hpp"
#include "tls/server_certificates.hpp"
#include "tls/trust_store.hpp"

namespace sealpost::app {

struct InForce {
  Config config;
  delivery::RulesPtr rules;
  DkimSetup dkim;
  std::shared_ptr<const tls::TrustStore> trust;
  std::shared_ptr<const tls::ServerCertificates> certificates;  // null: none is configured
  // By listener: whose certificates its clients are asked for; null: they are not asked.
  std::vector<std::shared_ptr<const tls::ClientAuthorities>> client_authorities;
};
using InForcePtr = std::shared_ptr<const InForce>;

// Reads what the configuration names: roots, certificates and keys, authorities of clients, signing keys, client certificates. Errors name the file and
// what would be right; then there is nothing.
Expected<InForcePtr> make_in_force(Config config, const keys::Source& keys);

// The one pointer to what is in force. Any thread.
template <class T>
class Published {
 public:
  using Pointer = std::shared_ptr<const T>;
  Pointer get() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }
  // The former value dies outside the lock, with the last who still looks at it.
  void set(Pointer value) {
    const std::lock_guard lock(mutex_);
    value_.swap(value);
  }

 private:
  mutable std::mutex mutex_;
  Pointer value_;
};

}  // namespace sealpost::app
