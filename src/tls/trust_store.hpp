// SPDX-License-Identifier: Apache-2.0
//
// The roots that [tls] trust names. Loaded once (a system bundle costs some 20 ms and a megabyte) and shared,
// read only, by every thread; a reload makes a new one and leaves running handshakes theirs.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/openssl_handles.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::tls {

class TrustStore {
 public:
  // A PEM file with at least one certificate. Errc::invalid or io; the detail names the file and what would
  // be right.
  static Expected<std::shared_ptr<const TrustStore>> load(const std::string& path);
  static Expected<std::shared_ptr<const TrustStore>> from_pem(std::string_view pem);

  TrustStore(X509StorePtr store, std::size_t size, std::string digest)
      : store_(std::move(store)), size_(size), digest_(std::move(digest)) {}
  X509_STORE* get() const noexcept { return store_.get(); }  // OpenSSL locks it itself
  std::size_t size() const noexcept { return size_; }
  const std::string& digest() const noexcept { return digest_; }  // of the PEM text

 private:
  X509StorePtr store_;
  std::size_t size_;
  std::string digest_;
};

}  // namespace sealpost::tls
