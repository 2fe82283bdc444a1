// SPDX-License-Identifier: Apache-2.0
#include "keys/key_file.hpp"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <new>

namespace sealpost::keys {
namespace {

constexpr std::size_t largest_file = 1U << 20U;
constexpr std::size_t sha256_size = 32;

using KeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>>;

Error cannot_sign() {
  ERR_clear_error();
  return Error(Errc::unavailable, "the private key cannot sign");
}

Expected<std::string> read_whole(int fd, const std::string& path) {
  std::string text;
  for (;;) {
    const std::size_t had = text.size();
    if (had > largest_file) return Error(Errc::too_long, path + ": larger than 1 MiB, no key file");
    text.resize(had + 4096);
    const ssize_t got = ::read(fd, text.data() + had, 4096);
    if (got < 0 && errno == EINTR) {
      text.resize(had);
      continue;
    }
    if (got < 0) return Error(Errc::io, path + ": " + std::strerror(errno));
    text.resize(had + static_cast<std::size_t>(got));
    if (got == 0) return text;
  }
}

}  // namespace

Expected<EvpKeyPtr> parse_key(std::string_view pem) {
  ERR_clear_error();
  const BioPtr in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (!in) throw std::bad_alloc();
  bool asked = false;
  // Without this OpenSSL would ask on the terminal.
  const auto no_passphrase = [](char*, int, int, void* was_asked) {
    *static_cast<bool*>(was_asked) = true;
    return -1;
  };
  EvpKeyPtr key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, &asked));
  ERR_clear_error();
  if (key) return key;
  if (asked)
    return Error(Errc::invalid,
                 "the key is encrypted; store it without a passphrase, readable by sealpost only");
  return Error(Errc::invalid, "no private key in it");
}

Expected<EvpKeyPtr> read_key_file(const std::string& path) {
  // Without O_NONBLOCK a FIFO in the key's place would hang the start.
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd) return Error(Errc::io, path + ": " + std::strerror(errno));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return Error(Errc::io, path + ": " + std::strerror(errno));
  if (S_ISDIR(status.st_mode)) return Error(Errc::invalid, path + ": is a directory; name one PEM file");
  if (!S_ISREG(status.st_mode)) return Error(Errc::invalid, path + ": is no file; name one PEM file");
  if ((status.st_mode & S_IRWXO) != 0)
    return Error(Errc::invalid, path + ": open to every user of this machine; chmod o-rwx it");
  auto pem = read_whole(fd.get(), path);
  if (!pem) return std::move(pem).error();
  auto key = parse_key(*pem);
  OPENSSL_cleanse(pem->data(), pem->size());
  if (!key) return Error(key.error().code, path + ": " + key.error().detail);
  return key;
}

Expected<std::string> sign_sha256(EVP_PKEY& key, std::string_view sha256) {
  if (sha256.size() != sha256_size) return Error(Errc::invalid, "no SHA-256 value");
  const auto* data = reinterpret_cast<const unsigned char*>(sha256.data());
  std::string signature(static_cast<std::size_t>(EVP_PKEY_get_size(&key)), '\0');
  auto* out = reinterpret_cast<unsigned char*>(signature.data());
  std::size_t size = signature.size();
  if (EVP_PKEY_is_a(&key, "ED25519")) {
    const EvpDigestContextPtr context(EVP_MD_CTX_new());
    if (EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, &key) != 1 ||
        EVP_DigestSign(context.get(), out, &size, data, sha256.size()) != 1)
      return cannot_sign();
  } else {
    const KeyContextPtr context(EVP_PKEY_CTX_new(&key, nullptr));
    if (!context || EVP_PKEY_sign_init(context.get()) != 1 ||
        (EVP_PKEY_is_a(&key, "RSA") && EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1) ||
        EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) != 1 ||
        EVP_PKEY_sign(context.get(), out, &size, data, sha256.size()) != 1)
      return cannot_sign();
  }
  signature.resize(size);
  return signature;
}

Expected<std::string> public_key_of(EVP_PKEY& key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(&key, &der);
  if (size <= 0) {
    ERR_clear_error();
    return Error(Errc::invalid, "a key without a public part");
  }
  std::string octets(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return octets;
}

KeyPtr hold(EvpKeyPtr key) {
  auto held = std::make_shared<Key>();
  held->public_key = public_key_of(*key).value_or(std::string());
  EVP_PKEY_up_ref(key.get());
  const std::shared_ptr<EVP_PKEY> shared(key.get(), EVP_PKEY_free);
  held->tls = std::move(key);
  held->sign = [shared](std::string_view sha256) { return sign_sha256(*shared, sha256); };
  return held;
}

Expected<KeyPtr> FileSource::load(const std::string& path, Use) const {
  auto key = read_key_file(path);
  if (!key) return std::move(key).error();
  return hold(std::move(*key));
}

}  // namespace sealpost::keys
