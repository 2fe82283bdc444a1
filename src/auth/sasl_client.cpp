// SPDX-License-Identifier: Apache-2.0
#include "auth/sasl_client.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <new>

#include "auth/scram.hpp"
#include "base/digest.hpp"
#include "base/random.hpp"
#include "base/text.hpp"

namespace sealpost::auth {
namespace {

// Less makes guesses cheap for who listens in the server's place (RFC 7677 §4); more is work for us that a server only has to
// ask for.
constexpr std::uint32_t most_iterations = 600'000;
constexpr std::size_t most_kept = 8;

constexpr std::array<std::string_view, 6> by_strength = {
    "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"};

Error refused(std::string why) { return Error(Errc::refused, std::move(why)); }

// saslname (RFC 5802 §5.1).
std::string escaped(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == ',')
      out += "=2C";
    else if (c == '=')
      out += "=3D";
    else
      out += c;
  }
  return out;
}

class ScramClient final : public SaslClient {
 public:
  ScramClient(const ClientAccount& account, bool plus, const ScramBinding& binding)
      : account_(account), plus_(plus) {
    // What both could do but the server does not say is how somebody in between would weaken us: the server hears of it (§6).
    const bool exporter = !binding.tls_exporter.empty();
    if (plus)
      header_ = exporter ? "p=tls-exporter,," : "p=tls-server-end-point,,";
    else
      header_ = binding.can_bind() ? "y,," : "n,,";
    if (plus) bound_ = exporter ? binding.tls_exporter : binding.tls_server_end_point;
    std::array<std::uint8_t, nonce_octets> random{};
    random_bytes(random);
    nonce_ = text::base64({reinterpret_cast<const char*>(random.data()), random.size()});
  }

  std::string_view mechanism() const noexcept override { return by_strength[plus_ ? 0 : 1]; }
  bool finished() const noexcept override { return proven_; }
  std::optional<std::string> first() override { return header_ + first_bare(); }

  Expected<std::string> answer(std::string_view challenge) override {
    if (proven_) return Error(Errc::invalid, "SCRAM is over, and the server goes on");
    return server_signature_.empty() ? answer_first(challenge) : hear_last(challenge);
  }

 private:
  std::string first_bare() const { return "n=" + escaped(account_.user) + ",r=" + nonce_; }

  Expected<std::string> answer_first(std::string_view challenge) {
    const auto parts = text::split(challenge, ',');
    const auto value = [&](std::size_t i, std::string_view name) {
      return i < parts.size() && parts[i].starts_with(name) ? parts[i].substr(name.size())
                                                            : std::string_view();
    };
    const std::string_view nonce = value(0, "r="), salt64 = value(1, "s="), count = value(2, "i=");
    const auto salt = text::from_base64(salt64);
    const auto iterations = text::parse_u64(count);
    if (!nonce.starts_with(nonce_) || nonce.size() == nonce_.size() || !salt || salt->empty() || !iterations)
      return Error(Errc::invalid, "SCRAM: its challenge is not what RFC 5802 says");
    if (*iterations < least_scram_iterations || *iterations > most_iterations)
      return refused("SCRAM: it asks for " + std::to_string(*iterations) + " iterations; " +
                     std::to_string(least_scram_iterations) + " to " + std::to_string(most_iterations) +
                     " are done");
    const std::string without_proof = "c=" + text::base64(header_ + bound_) + ",r=" + std::string(nonce);
    const std::string all = first_bare() + "," + std::string(challenge) + "," + without_proof;
    std::string salted =
        account_.salted.of(account_.password, *salt, static_cast<std::uint32_t>(*iterations));
    const WipeAtEnd wiped(salted);
    std::string key = hmac_sha256(salted, "Client Key");
    const WipeAtEnd wiped_too(key);
    const std::string signature = hmac_sha256(sha256_octets(key), all);
    for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<char>(key[i] ^ signature[i]);
    server_signature_ = hmac_sha256(hmac_sha256(salted, "Server Key"), all);
    return without_proof + ",p=" + text::base64(key);
  }

  Expected<std::string> hear_last(std::string_view last) {
    const auto said = text::from_base64(last.starts_with("v=") ? last.substr(2) : std::string_view());
    const bool same = said && said->size() == server_signature_.size() &&
                      CRYPTO_memcmp(said->data(), server_signature_.data(), said->size()) == 0;
    if (!same) return refused("SCRAM: the server has not proven that it knows the account");
    proven_ = true;
    return std::string();
  }

  const ClientAccount& account_;
  bool plus_;
  bool proven_ = false;
  std::string header_, bound_, nonce_;
  std::string server_signature_;
};

class Bearer final : public SaslClient {
 public:
  Bearer(const ClientAccount& account, std::string token, bool standard, const SaslOffer& offer)
      : user_(account.user),
        token_(Secret::taken_from(token)),
        standard_(standard),
        host_(offer.host),
        port_(offer.port) {}

  std::string_view mechanism() const noexcept override { return standard_ ? "OAUTHBEARER" : "XOAUTH2"; }
  std::string_view secret() const noexcept override { return token_.view(); }
  std::optional<std::string> first() override {
    const std::string bearer = "auth=Bearer " + std::string(token_.view()) + "\1\1";
    if (!standard_) return "user=" + user_ + "\1" + bearer;
    return "n,a=" + escaped(user_) + ",\1host=" + host_ + "\1port=" + std::to_string(port_) + "\1" + bearer;
  }
  // The server says why not, and wants to hear something before it says no (RFC 7628 §3.2.3).
  Expected<std::string> answer(std::string_view) override {
    return standard_ ? std::string("\1") : std::string();
  }

 private:
  std::string user_;
  Secret token_;
  bool standard_;
  std::string host_;
  std::uint16_t port_;
};

class PlainClient final : public SaslClient {
 public:
  explicit PlainClient(const ClientAccount& account) : account_(account) {}
  std::string_view mechanism() const noexcept override { return "PLAIN"; }
  std::string_view secret() const noexcept override { return account_.password.view(); }
  std::optional<std::string> first() override {
    return std::string(1, '\0') + account_.user + '\0' + std::string(account_.password.view());
  }
  Expected<std::string> answer(std::string_view) override {
    return Error(Errc::invalid, "PLAIN is over, and the server goes on");
  }

 private:
  const ClientAccount& account_;
};

class LoginClient final : public SaslClient {
 public:
  explicit LoginClient(const ClientAccount& account) : account_(account) {}
  std::string_view mechanism() const noexcept override { return "LOGIN"; }
  std::string_view secret() const noexcept override { return account_.password.view(); }
  bool finished() const noexcept override { return asked_ == 2; }
  // Whatever the words are: first the name is asked for, then the password.
  Expected<std::string> answer(std::string_view) override {
    if (++asked_ == 1) return account_.user;
    if (asked_ == 2) return std::string(account_.password.view());
    return Error(Errc::invalid, "LOGIN is over, and the server goes on");
  }

 private:
  const ClientAccount& account_;
  int asked_ = 0;
};

}  // namespace

std::string SaltedPasswords::of(const Secret& password, const std::string& salt,
                                std::uint32_t iterations) const {
  {
    const std::lock_guard lock(mutex_);
    for (const Entry& entry : entries_)
      if (entry.salt == salt && entry.iterations == iterations) return std::string(entry.salted.view());
  }
  std::string salted(scram_key_octets, '\0');
  const std::string_view octets = password.view();
  if (PKCS5_PBKDF2_HMAC(octets.data(), static_cast<int>(octets.size()),
                        reinterpret_cast<const unsigned char*>(salt.data()), static_cast<int>(salt.size()),
                        static_cast<int>(iterations), EVP_sha256(), static_cast<int>(salted.size()),
                        reinterpret_cast<unsigned char*>(salted.data())) != 1)
    throw std::bad_alloc();
  const std::lock_guard lock(mutex_);
  if (entries_.size() >= most_kept) entries_.erase(entries_.begin());
  Entry& kept = entries_.emplace_back();
  kept.salt = salt;
  kept.iterations = iterations;
  kept.salted = Secret(salted);
  return salted;
}

bool is_client_mechanism(std::string_view name) noexcept {
  return std::find(by_strength.begin(), by_strength.end(), name) != by_strength.end();
}

std::unique_ptr<SaslClient> choose_mechanism(const ClientAccount& account, std::string token,
                                             const SaslOffer& offer) {
  const auto has = [](const std::vector<std::string>& list, std::string_view name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  for (const std::string_view name : by_strength) {
    if (!has(offer.mechanisms, name)) continue;
    if (!account.mechanisms.empty() && !has(account.mechanisms, name)) continue;
    const bool bearer = name == "OAUTHBEARER" || name == "XOAUTH2";
    if (bearer ? token.empty() : account.password.empty()) continue;
    if (name == "SCRAM-SHA-256-PLUS" && !offer.binding.can_bind()) continue;
    if (bearer) return std::make_unique<Bearer>(account, std::move(token), name == "OAUTHBEARER", offer);
    if (name == "PLAIN") return std::make_unique<PlainClient>(account);
    if (name == "LOGIN") return std::make_unique<LoginClient>(account);
    ScramBinding binding = offer.binding;
    if (has(offer.mechanisms, by_strength[0]) && name != by_strength[0])
      binding = ScramBinding();  // left out on purpose
    return std::make_unique<ScramClient>(account, name == by_strength[0], binding);
  }
  return nullptr;
}

}  // namespace sealpost::auth
