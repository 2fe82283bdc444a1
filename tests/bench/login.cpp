// SPDX-License-Identifier: Apache-2.0
//
// See login.hpp.

#include "login.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace bench {
namespace {

using Digest = std::array<unsigned char, 32>;

std::string_view view(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Digest hmac(std::string_view key, std::string_view text) {
  Digest made{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), octets(text), text.size(), made.data(), &size);
  return made;
}

Digest sha256(std::string_view text) {
  Digest made{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), made.data(), &size, EVP_sha256(), nullptr);
  return made;
}

std::string from_base64(std::string_view text) {
  std::string out(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), octets(text),
                                   static_cast<int>(text.size()));
  if (size < 0) return {};
  out.resize(static_cast<std::size_t>(size));
  for (std::size_t i = text.size(); i-- > 0 && text[i] == '=';) out.pop_back();
  return out;
}

// "r" of "r=...,s=...,i=...".
std::string attribute(std::string_view message, char name) {
  for (std::size_t at = 0; at < message.size();) {
    const std::size_t end = std::min(message.find(',', at), message.size());
    if (end > at + 1 && message[at] == name && message[at + 1] == '=')
      return std::string(message.substr(at + 2, end - at - 2));
    at = end + 1;
  }
  return {};
}

}  // namespace

std::string to_base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), octets(bytes),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

std::string plain_login(const std::string& user, const std::string& password) {
  return to_base64(std::string(1, '\0') + user + std::string(1, '\0') + password);
}

const std::string& SaltedPassword::of(const std::string& salt, unsigned rounds) {
  std::string& salted = known_[salt + std::to_string(rounds)];
  if (!salted.empty()) return salted;
  Digest made{};
  PKCS5_PBKDF2_HMAC(password_.data(), static_cast<int>(password_.size()), octets(salt),
                    static_cast<int>(salt.size()), static_cast<int>(rounds), EVP_sha256(),
                    static_cast<int>(made.size()), made.data());
  return salted = view(made);
}

std::string ScramLogin::begin(const std::string& user, unsigned long nonce) {
  bare_ = "n=" + user + ",r=source" + std::to_string(nonce);
  return to_base64("n,," + bare_);
}

std::string ScramLogin::answer(std::string_view challenge, SaltedPassword& password) const {
  const std::string first = from_base64(challenge);
  const std::string nonce = attribute(first, 'r'), salt = from_base64(attribute(first, 's'));
  const auto rounds = static_cast<unsigned>(std::strtoul(attribute(first, 'i').c_str(), nullptr, 10));
  if (nonce.empty() || salt.empty() || rounds == 0) return {};
  const std::string without_proof = "c=biws,r=" + nonce;
  const Digest client_key = hmac(password.of(salt, rounds), "Client Key");
  const Digest signature = hmac(view(sha256(view(client_key))), bare_ + "," + first + "," + without_proof);
  Digest proof = client_key;
  for (std::size_t i = 0; i < proof.size(); ++i)
    proof[i] = static_cast<unsigned char>(proof[i] ^ signature[i]);
  return to_base64(without_proof + ",p=" + to_base64(view(proof)));
}

}  // namespace bench
