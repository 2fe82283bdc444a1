// SPDX-License-Identifier: Apache-2.0
//
// How we log in at a smart host: the client's side of SASL (RFC 4422) over SMTP: SCRAM-SHA-256 and -PLUS (RFC 5802, 7677),
// OAUTHBEARER (RFC 7628) and XOAUTH2, PLAIN (RFC 4616), LOGIN. Pure: what is said comes in and goes out as octets, not base64.
// The server's side is exchanges.hpp.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/scram.hpp"
#include "auth/secret.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::auth {

// What SCRAM makes of a password, which is slow by design, kept while the server asks for the same: some, any thread.
class SaltedPasswords {
 public:
  std::string of(const Secret& password, const std::string& salt, std::uint32_t iterations) const;

 private:
  struct Entry {
    std::string salt;
    std::uint32_t iterations = 0;
    Secret salted;
  };
  mutable std::mutex mutex_;
  mutable std::vector<Entry> entries_;
};

// Of us, at one smart host.
struct ClientAccount {
  std::string user;
  Secret password;         // empty: there is a token instead
  std::string token_file;  // where an OAuth 2 access token stands, renewed by somebody else; read each time
  std::vector<std::string> mechanisms;  // that may be used, in capitals; empty: all
  SaltedPasswords salted;
};

class SaslClient {
 public:
  virtual ~SaslClient() = default;
  virtual std::string_view mechanism() const noexcept = 0;
  // What goes along with AUTH; nothing: the server speaks first. The caller wipes what it was given.
  virtual std::optional<std::string> first() { return std::nullopt; }
  // Errc::invalid: not what the mechanism wants to hear; Errc::refused: the server is not who knows our password, or asks
  // for less than may be asked for. Say "*" then.
  virtual Expected<std::string> answer(std::string_view challenge) = 0;
  // What of it nobody else may read, should the server repeat it in clear; empty: nothing is said that could be repeated.
  virtual std::string_view secret() const noexcept { return {}; }
  // Has the server said all that a server has to? Where it must prove itself, a yes without that is none.
  virtual bool finished() const noexcept { return true; }
};

struct SaslOffer {
  SaslOffer() = default;
  std::vector<std::string> mechanisms;  // of the server, in capitals
  ScramBinding binding;                 // of the connection
  std::string host;                     // for OAUTHBEARER
  std::uint16_t port = 0;
};

// The strongest mechanism that is offered, may be used and for which `account` has what it takes. `token`: what stands in its
// token_file; empty: there is none. Null: there is no such mechanism. The account outlives the client.
std::unique_ptr<SaslClient> choose_mechanism(const ClientAccount& account, std::string token,
                                             const SaslOffer& offer);

// Those that choose_mechanism() knows.
bool is_client_mechanism(std::string_view name) noexcept;

}  // namespace sealpost::auth
