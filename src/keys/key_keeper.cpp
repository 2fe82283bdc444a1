// SPDX-License-Identifier: Apache-2.0
#include "keys/key_keeper.hpp"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <filesystem>
#include <mutex>

#include "keys/key_file.hpp"

namespace sealpost::keys {
namespace {

using KeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>>;

Answer failed(Outcome outcome, std::string why) {
  ERR_clear_error();
  Answer answer;
  answer.outcome = outcome;
  answer.payload = std::move(why);
  return answer;
}

Answer done(std::string payload) {
  Answer answer;
  answer.outcome = Outcome::done;
  answer.payload = std::move(payload);
  return answer;
}

// PKCS #8; empty when OpenSSL cannot.
std::string private_octets(EVP_PKEY& key) {
  const std::unique_ptr<PKCS8_PRIV_KEY_INFO, FreeWith<PKCS8_PRIV_KEY_INFO_free>> info(EVP_PKEY2PKCS8(&key));
  unsigned char* der = nullptr;
  const int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info.get(), &der) : 0;
  if (size <= 0) return {};
  std::string octets(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_clear_free(der, static_cast<std::size_t>(size));
  return octets;
}

bool fits(Operation operation, EVP_PKEY& key) {
  switch (operation) {
    case Operation::rsa: return EVP_PKEY_is_a(&key, "RSA") != 0;
    case Operation::ecdsa: return EVP_PKEY_is_a(&key, "EC") != 0;
    case Operation::ed25519: return EVP_PKEY_is_a(&key, "ED25519") != 0;
    case Operation::load:
    case Operation::load_for_tls:
    case Operation::release: break;
  }
  return false;
}

}  // namespace

std::string directory_of(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().parent_path().string();
}

KeyKeeper::KeyKeeper(std::vector<std::string> directories) : directories_(std::move(directories)) {}

std::size_t KeyKeeper::size() const {
  const std::shared_lock lock(mutex_);
  return keys_.size();
}

Answer KeyKeeper::answer(const Request& request) {
  switch (request.operation) {
    case Operation::load:
    case Operation::load_for_tls: return load(request);
    case Operation::rsa:
    case Operation::ecdsa:
    case Operation::ed25519: return sign(request);
    case Operation::release: {
      const std::unique_lock lock(mutex_);
      keys_.erase(request.key);
      return done({});
    }
  }
  return failed(Outcome::invalid, "no such operation");
}

Answer KeyKeeper::load(const Request& request) {
  const std::string& path = request.payload;
  const bool plain = !path.empty() && path.front() == '/' && path.find('\0') == path.npos;
  const std::string directory = plain ? directory_of(path) : std::string();
  const auto holds = [&](const std::string& allowed) {
    return directory == allowed || directory.starts_with(allowed + "/");
  };
  if (!plain || std::none_of(directories_.begin(), directories_.end(), holds))
    return failed(
        Outcome::refused,
        path +
            ": keys are read below the folder of the configuration and those that held keys at the start; "
            "restart to name another");
  auto key = read_key_file(path);
  if (!key) return failed(key.error().code == Errc::io ? Outcome::io : Outcome::invalid, key.error().detail);
  auto public_key = public_key_of(**key);
  if (!public_key) return failed(Outcome::invalid, path + ": " + public_key.error().detail);
  Loaded loaded;
  loaded.public_key = std::move(*public_key);
  if (request.operation == Operation::load_for_tls && EVP_PKEY_is_a(key->get(), "ED25519"))
    loaded.private_key = private_octets(**key);
  {
    const std::unique_lock lock(mutex_);
    if (keys_.size() >= most_keys) return failed(Outcome::unavailable, "too many keys are held");
    while (keys_.count(next_) != 0) ++next_;
    loaded.key = next_++;
    keys_.emplace(loaded.key, std::shared_ptr<EVP_PKEY>(key->release(), EVP_PKEY_free));
  }
  std::string payload = encode(loaded);
  OPENSSL_cleanse(loaded.private_key.data(), loaded.private_key.size());
  return done(std::move(payload));
}

Answer KeyKeeper::sign(const Request& request) {
  std::shared_ptr<EVP_PKEY> key;
  {
    const std::shared_lock lock(mutex_);
    const auto found = keys_.find(request.key);
    if (found != keys_.end()) key = found->second;
  }
  if (!key || !fits(request.operation, *key)) return failed(Outcome::invalid, "no such key");
  const auto* data = reinterpret_cast<const unsigned char*>(request.payload.data());
  std::string signature(static_cast<std::size_t>(EVP_PKEY_get_size(key.get())), '\0');
  auto* out = reinterpret_cast<unsigned char*>(signature.data());
  std::size_t size = signature.size();
  bool good = false;
  if (request.operation == Operation::ed25519) {
    const EvpDigestContextPtr context(EVP_MD_CTX_new());
    good = EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
           EVP_DigestSign(context.get(), out, &size, data, request.payload.size()) == 1;
  } else {
    const KeyContextPtr context(EVP_PKEY_CTX_new(key.get(), nullptr));
    const bool padded = request.padding == RSA_PKCS1_PADDING || request.padding == RSA_NO_PADDING;
    good = context && EVP_PKEY_sign_init(context.get()) == 1 &&
           (request.operation == Operation::ecdsa ||
            (padded && EVP_PKEY_CTX_set_rsa_padding(context.get(), request.padding) == 1)) &&
           EVP_PKEY_sign(context.get(), out, &size, data, request.payload.size()) == 1;
  }
  if (!good) return failed(Outcome::invalid, "the private key cannot sign this");
  signature.resize(size);
  return done(std::move(signature));
}

}  // namespace sealpost::keys
