// SPDX-License-Identifier: Apache-2.0
#include "auth/scram.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <new>
#include <optional>

#include "base/digest.hpp"
#include "base/random.hpp"
#include "base/text.hpp"

namespace sealpost::auth {
namespace {

constexpr std::size_t longest_nonce = 1024;

Error malformed(const char* what) { return Error(Errc::invalid, std::string("SCRAM: ") + what); }

std::string exclusive_or(std::string_view a, std::string_view b) {
  std::string out(a);
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<char>(static_cast<unsigned char>(out[i]) ^ static_cast<unsigned char>(b[i]));
  return out;
}

// Takes what stands before the next comma, and the comma.
std::string_view take_part(std::string_view& rest) {
  const std::size_t comma = rest.find(',');
  const std::string_view part = rest.substr(0, comma);
  rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
  return part;
}

// saslname: "," is =2C and "=" is =3D, nothing else follows a "=".
std::optional<std::string> unescaped(std::string_view name) {
  std::string out;
  while (!name.empty()) {
    if (name.front() != '=') {
      out += name.front();
      name.remove_prefix(1);
    } else if (name.starts_with("=2C") || name.starts_with("=3D")) {
      out += name[1] == '2' ? ',' : '=';
      name.remove_prefix(3);
    } else {
      return std::nullopt;
    }
  }
  if (out.empty() || out.find('\0') != std::string::npos || !text::is_utf8(out)) return std::nullopt;
  return out;
}

bool is_nonce(std::string_view nonce) {
  const auto printable = [](char c) { return c > ' ' && c < 127 && c != ','; };
  return !nonce.empty() && nonce.size() <= longest_nonce &&
         std::all_of(nonce.begin(), nonce.end(), printable);
}

}  // namespace

std::string hmac_sha256(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  if (::HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(), &size) == nullptr)
    throw std::bad_alloc();
  return {out.begin(), out.begin() + size};
}

ScramKeys scram_keys(const Secret& password, std::string salt, std::uint32_t iterations) {
  std::string salted(scram_key_octets, '\0');
  const WipeAtEnd wiped(salted);
  const std::string_view octets = password.view();
  if (::PKCS5_PBKDF2_HMAC(octets.data(), static_cast<int>(octets.size()),
                          reinterpret_cast<const unsigned char*>(salt.data()), static_cast<int>(salt.size()),
                          static_cast<int>(iterations), EVP_sha256(), static_cast<int>(salted.size()),
                          reinterpret_cast<unsigned char*>(salted.data())) != 1)
    throw std::bad_alloc();
  std::string client_key = hmac_sha256(salted, "Client Key");
  const WipeAtEnd wiped_too(client_key);
  ScramKeys keys;
  keys.salt = std::move(salt);
  keys.iterations = iterations;
  keys.stored_key = sha256_octets(client_key);
  keys.server_key = hmac_sha256(salted, "Server Key");
  return keys;
}

ScramKeys new_scram_keys(const Secret& password) {
  std::array<std::uint8_t, scram_salt_octets> salt{};
  random_bytes(salt);
  return scram_keys(password, {salt.begin(), salt.end()});
}

ScramKeys nobodys_scram_keys(std::string_view secret, std::string_view name) {
  ScramKeys keys;
  keys.salt = hmac_sha256(secret, "salt " + std::string(name)).substr(0, scram_salt_octets);
  keys.iterations = scram_iterations;
  keys.stored_key = hmac_sha256(secret, "stored " + std::string(name));
  keys.server_key = hmac_sha256(secret, "server " + std::string(name));
  return keys;
}

Expected<void> ScramServer::hear_binding(std::string_view flag) {
  if (flag == "n" || flag == "y") {
    if (binding_.plus) return malformed("the client began -PLUS and binds no channel");
    if (flag == "y" && binding_.can_bind())
      return Error(Errc::refused,
                   "SCRAM: the client was not told of -PLUS, which was offered: somebody stands between");
    return {};
  }
  if (!flag.starts_with("p=")) return malformed("no channel binding flag");
  if (!binding_.plus) return malformed("a channel is bound without -PLUS");
  flag.remove_prefix(2);
  if (flag == "tls-exporter") bound_ = binding_.tls_exporter;
  if (flag == "tls-server-end-point") bound_ = binding_.tls_server_end_point;
  if (bound_.empty())
    return Error(Errc::refused, "SCRAM: channel binding " + text::printable(flag, 64) + " is not to be had");
  return {};
}

Expected<void> ScramServer::hear_first(std::string_view message) {
  std::string_view rest = message;
  if (auto heard = hear_binding(take_part(rest)); !heard) return heard;
  const std::string_view as = take_part(rest);
  if (!as.empty()) {
    const auto who = as.starts_with("a=") ? unescaped(as.substr(2)) : std::nullopt;
    if (!who) return malformed("the identity to act as cannot be read");
    authorization_ = *who;
  }
  header_ = message.substr(0, message.size() - rest.size());
  first_bare_ = rest;
  const std::string_view user = take_part(rest);
  if (user.starts_with("m=")) return malformed("an extension that must be understood is not");
  const auto name = user.starts_with("n=") ? unescaped(user.substr(2)) : std::nullopt;
  if (!name) return malformed("the name cannot be read");
  name_ = *name;
  const std::string_view nonce = take_part(rest);
  if (!nonce.starts_with("r=") || !is_nonce(nonce.substr(2))) return malformed("the nonce cannot be read");
  nonce_.insert(0, nonce.substr(2));
  return {};
}

std::string ScramServer::challenge(const ScramKeys& keys) {
  server_first_ = "r=" + nonce_ + ",s=" + text::base64(keys.salt) + ",i=" + std::to_string(keys.iterations);
  return server_first_;
}

Expected<std::string> ScramServer::hear_final(std::string_view message, const ScramKeys& keys) const {
  const std::size_t end = message.rfind(",p=");
  if (end == std::string_view::npos) return malformed("no proof");
  const std::string_view without_proof = message.substr(0, end);
  const auto proof = text::from_base64(message.substr(end + 3));
  if (!proof || proof->size() != scram_key_octets) return malformed("the proof cannot be read");
  std::string_view rest = without_proof;
  const std::string_view channel = take_part(rest), nonce = take_part(rest);
  const auto bound = channel.starts_with("c=") ? text::from_base64(channel.substr(2)) : std::nullopt;
  if (!bound) return malformed("the channel cannot be read");
  if (!nonce.starts_with("r=") || nonce.substr(2) != nonce_) return malformed("the nonce is another");
  if (*bound != header_ + bound_)
    return Error(Errc::refused, "SCRAM: the client speaks through another channel than this");
  const std::string auth_message = first_bare_ + "," + server_first_ + "," + std::string(without_proof);
  std::string client_key = exclusive_or(*proof, hmac_sha256(keys.stored_key, auth_message));
  const WipeAtEnd wiped(client_key);
  const std::string stored_key = sha256_octets(client_key);
  if (keys.stored_key.size() != stored_key.size() ||
      CRYPTO_memcmp(stored_key.data(), keys.stored_key.data(), stored_key.size()) != 0)
    return Error(Errc::refused, "wrong password");
  return "v=" + text::base64(hmac_sha256(keys.server_key, auth_message));
}

}  // namespace sealpost::auth
