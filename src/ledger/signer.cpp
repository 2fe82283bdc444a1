// SPDX-License-Identifier: Apache-2.0
#include "ledger/signer.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <fstream>
#include <sstream>

#include "base/digest.hpp"
#include "base/durable_file.hpp"
#include "base/text.hpp"

namespace sealpost::ledger {
namespace {

// SubjectPublicKeyInfo of Ed25519 (RFC 8410 §4) up to the 32 octets of the key.
constexpr std::string_view spki_head("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", 12);
constexpr std::size_t raw_size = 32;

std::string written(BIO* out) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

Expected<std::string> raw_of(EVP_PKEY* key) {
  std::string raw(raw_size, '\0');
  std::size_t size = raw.size();
  if (key == nullptr || EVP_PKEY_is_a(key, "ED25519") != 1 ||
      EVP_PKEY_get_raw_public_key(key, reinterpret_cast<unsigned char*>(raw.data()), &size) != 1 ||
      size != raw_size) {
    ERR_clear_error();
    return Error(Errc::invalid, "no Ed25519 key in it");
  }
  return raw;
}

}  // namespace

Expected<void> make_key_file(const std::string& path) {
  if (!is_absent(path)) return {};
  const EvpKeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  const BioPtr out(BIO_new(BIO_s_mem()));
  if (!key || !out ||
      PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    ERR_clear_error();
    return Error(Errc::unavailable, path + ": no key can be made");
  }
  std::string pem = written(out.get());
  auto done = replace_file(path, pem);
  OPENSSL_cleanse(pem.data(), pem.size());
  return done;
}

Expected<Signer> signer_of(const keys::KeyPtr& key) {
  const std::string& spki = key->public_key;
  if (spki.size() != spki_head.size() + raw_size || spki.substr(0, spki_head.size()) != spki_head)
    return Error(Errc::invalid, "the ledger is signed with an Ed25519 key, and this is none");
  Signer signer;
  signer.public_key = spki.substr(spki_head.size());
  signer.sign = [key](std::string_view text) { return key->sign(sha256_octets(text)); };
  return signer;
}

Expected<std::string> read_public_key(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream all;
  all << file.rdbuf();
  if (!file) return Error(Errc::not_found, path + ": cannot be read");
  const std::string octets = all.str();
  const auto raw = text::from_hex(text::trim(octets, " \t\r\n"));
  if (raw && raw->size() == raw_size) return std::string(raw->begin(), raw->end());
  const auto read = [&](auto function) {
    const BioPtr in(BIO_new_mem_buf(octets.data(), static_cast<int>(octets.size())));
    return EvpKeyPtr(function(
        in.get(), nullptr, [](char*, int, int, void*) { return -1; }, nullptr));
  };
  EvpKeyPtr key = read(PEM_read_bio_PUBKEY);
  if (!key) key = read(PEM_read_bio_PrivateKey);
  ERR_clear_error();
  auto found = raw_of(key.get());
  if (!found) return Error(Errc::invalid, path + ": " + found.error().detail);
  return found;
}

std::string public_pem(std::string_view public_key) {
  const std::string spki = std::string(spki_head) + std::string(public_key);
  return "-----BEGIN PUBLIC KEY-----\n" + text::base64(spki) + "\n-----END PUBLIC KEY-----\n";
}

}  // namespace sealpost::ledger
