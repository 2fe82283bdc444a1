// SPDX-License-Identifier: Apache-2.0
#include "tls/trust_store.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/digest.hpp"
#include "tls/pem_file.hpp"

namespace sealpost::tls {

Expected<std::shared_ptr<const TrustStore>> TrustStore::load(const std::string& path) {
  auto pem = read_pem_file(path);
  if (!pem) return std::move(pem).error();
  auto store = from_pem(*pem);
  if (!store) return Error(store.error().code, path + ": " + store.error().detail);
  return store;
}

Expected<std::shared_ptr<const TrustStore>> TrustStore::from_pem(std::string_view pem) {
  ERR_clear_error();
  const BioPtr in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  X509StorePtr store(X509_STORE_new());
  if (!in || !store) return take_error(Errc::unavailable, "cannot build a certificate store");
  std::size_t size = 0;
  for (;;) {
    const X509Ptr root(PEM_read_bio_X509_AUX(in.get(), nullptr, nullptr, nullptr));
    if (!root) break;
    ++size;
    if (X509_STORE_add_cert(store.get(), root.get()) != 1) {
      return take_error(Errc::invalid, "certificate " + std::to_string(size) + " cannot be used");
    }
  }
  if (auto left = pem_left_over("certificate " + std::to_string(size + 1)); !left)
    return std::move(left).error();
  if (size == 0) return Error(Errc::invalid, "holds no certificate; PEM with at least one root is needed");
  return std::make_shared<const TrustStore>(std::move(store), size, sha256_hex(pem));
}

}  // namespace sealpost::tls
