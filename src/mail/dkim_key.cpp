// SPDX-License-Identifier: Apache-2.0
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>

#include "base/digest.hpp"
#include "base/openssl_handles.hpp"
#include "base/text.hpp"
#include "mail/dkim.hpp"
#include "mail/dkim_tags.hpp"
#include "mail/without_blanks.hpp"

namespace sealpost {
namespace {

constexpr int least_rsa_bits = 1024;  // RFC 8301 §3.2

Error openssl_error(const std::string& what) {
  ERR_clear_error();
  return Error(Errc::invalid, what);
}

bool lists(std::string_view list, std::string_view word) {
  const auto words = text::split(list, ':');
  return std::any_of(words.begin(), words.end(), [&](std::string_view each) {
    each = text::trim(each, " \t\r\n");
    return each == "*" || each == word;
  });
}

}  // namespace

struct DkimKey::Impl {
  EvpKeyPtr key;  // its public part at least
  Signer signer;  // empty: `key` signs
};

DkimKey::DkimKey(std::unique_ptr<Impl> impl, Algorithm algorithm, unsigned bits)
    : impl_(std::move(impl)), algorithm_(algorithm), bits_(bits) {}
DkimKey::~DkimKey() = default;

Expected<std::shared_ptr<const DkimKey>> DkimKey::from_pem(std::string_view pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  // No pass phrase is ever asked for: a key that needs one is refused.
  auto impl = std::make_unique<Impl>();
  impl->key.reset(PEM_read_bio_PrivateKey(
      bio.get(), nullptr, [](char*, int, int, void*) { return -1; }, nullptr));
  if (!impl->key) return openssl_error("no unencrypted private key in PEM form");
  return checked(std::move(impl));
}

Expected<std::shared_ptr<const DkimKey>> DkimKey::elsewhere(std::string_view public_key, Signer signer) {
  const auto* der = reinterpret_cast<const unsigned char*>(public_key.data());
  auto impl = std::make_unique<Impl>();
  impl->key.reset(d2i_PUBKEY(nullptr, &der, static_cast<long>(public_key.size())));
  if (!impl->key) return openssl_error("no public key");
  impl->signer = std::move(signer);
  return checked(std::move(impl));
}

Expected<std::shared_ptr<const DkimKey>> DkimKey::checked(std::unique_ptr<Impl> impl) {
  const int bits = EVP_PKEY_get_bits(impl->key.get());
  Algorithm algorithm = Algorithm::rsa_sha256;
  if (EVP_PKEY_is_a(impl->key.get(), "RSA")) {
    if (bits < least_rsa_bits)
      return openssl_error("an RSA key of " + std::to_string(bits) + " bits; DKIM needs 1024, better 2048");
  } else if (EVP_PKEY_is_a(impl->key.get(), "ED25519")) {
    algorithm = Algorithm::ed25519_sha256;
  } else {
    return openssl_error("neither an RSA nor an Ed25519 key");
  }
  return std::shared_ptr<const DkimKey>(new DkimKey(std::move(impl), algorithm, static_cast<unsigned>(bits)));
}

std::string DkimKey::public_key_base64() const {
  if (algorithm_ == Algorithm::ed25519_sha256) {
    std::array<unsigned char, 32> raw{};
    std::size_t size = raw.size();
    if (EVP_PKEY_get_raw_public_key(impl_->key.get(), raw.data(), &size) != 1) return {};
    return text::base64(std::string_view(reinterpret_cast<const char*>(raw.data()), size));
  }
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(impl_->key.get(), &der);
  if (size <= 0) return {};
  std::string encoded =
      text::base64(std::string_view(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)));
  OPENSSL_free(der);
  return encoded;
}

Expected<std::string> DkimKey::sign(std::string_view octets) const {
  const EvpDigestContextPtr context(EVP_MD_CTX_new());
  const bool ed25519 = algorithm_ == Algorithm::ed25519_sha256;
  const Sha256 digest = sha256(octets);
  if (impl_->signer)
    return impl_->signer(std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
  const auto* data = ed25519 ? digest.data() : reinterpret_cast<const unsigned char*>(octets.data());
  const std::size_t data_size = ed25519 ? digest.size() : octets.size();
  std::size_t size = 0;
  if (EVP_DigestSignInit(context.get(), nullptr, ed25519 ? nullptr : EVP_sha256(), nullptr,
                         impl_->key.get()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, data, data_size) != 1)
    return openssl_error("the key cannot sign");
  std::string signature(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, data,
                     data_size) != 1)
    return openssl_error("the key cannot sign");
  signature.resize(size);
  return signature;
}

std::string dkim_key_record_problem(std::string_view record, const DkimKey& key, std::string_view service) {
  const DkimTags tags = dkim_tags(record);
  if (const auto version = tags.find("v"); version != tags.end() && version->second != "DKIM1")
    return "the key record's version is '" + text::printable(version->second, 40) + "', not DKIM1";
  const bool rsa = key.algorithm() == DkimKey::Algorithm::rsa_sha256;
  const auto kind = tags.find("k");
  const std::string published_kind = kind == tags.end() ? "rsa" : kind->second;
  if (published_kind != (rsa ? "rsa" : "ed25519"))
    return "the key record says k=" + text::printable(published_kind, 40) + ", our key is " +
           (rsa ? "rsa" : "ed25519");
  const auto published = tags.find("p");
  if (published == tags.end()) return "the key record has no p=";
  if (published->second.empty()) return "the published key has been revoked (p= is empty)";
  if (without_blanks(published->second) != key.public_key_base64())
    return "the published key is another one than ours";
  if (const auto hashes = tags.find("h"); hashes != tags.end() && !lists(hashes->second, "sha256"))
    return "the key record does not allow sha256 (h=" + text::printable(hashes->second, 40) + ")";
  if (const auto services = tags.find("s"); services != tags.end() && !lists(services->second, service))
    return "the key record is not for " + std::string(service) +
           " (s=" + text::printable(services->second, 40) + ")";
  return {};
}

}  // namespace sealpost
