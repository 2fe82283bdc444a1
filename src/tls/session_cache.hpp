// SPDX-License-Identifier: Apache-2.0
//
// TLS sessions worth resuming, each with what its full handshake proved. A resumed handshake shows no
// certificate, so its facts are the recorded ones, and a session must never serve another requirement than
// the one it was made under: that is the key's business (T-07, RFC 8461 pooling S43). Bounded, least recently
// used goes first.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/openssl_handles.hpp"
#include "sealpost/handshake_facts.hpp"

namespace sealpost::tls {

class SessionCache {
 public:
  explicit SessionCache(std::size_t most) : most_(most) {}
  SessionCache(const SessionCache&) = delete;
  SessionCache& operator=(const SessionCache&) = delete;

  struct Entry {
    std::string key;
    SslSessionPtr session;
    std::shared_ptr<const CertificateFacts> facts;
  };
  // Null when there is none, or none that may be resumed still. Valid until the next call.
  const Entry* find(std::string_view key);
  void put(std::string key, SslSessionPtr session, std::shared_ptr<const CertificateFacts> facts);
  void drop(std::string_view key);
  std::size_t size() const noexcept { return entries_.size(); }

 private:
  using Entries = std::list<Entry>;
  std::size_t most_;
  Entries entries_;                                                // newest first
  std::unordered_map<std::string_view, Entries::iterator> index_;  // keys live in the entries
};

// What one connection needs to keep its sessions. OpenSSL hands over tickets during the handshake (TLS 1.2),
// when the facts are not known yet, or with any later read (TLS 1.3).
class SessionKeeper {
 public:
  SessionKeeper(std::shared_ptr<SessionCache> cache, std::string key)
      : cache_(std::move(cache)), key_(std::move(key)) {}

  void arrived(SslSessionPtr session);
  void established(std::shared_ptr<const CertificateFacts> facts);
  // Nothing of this connection is kept: its chain is too large to hold for thousands of hosts.
  void decline() noexcept { cache_.reset(); }

  // The SSL owns its keeper, if it has one.
  static void attach(SSL& ssl, std::unique_ptr<SessionKeeper> keeper);
  static SessionKeeper* of(SSL& ssl) noexcept;

 private:
  std::shared_ptr<SessionCache> cache_;
  std::string key_;
  std::shared_ptr<const CertificateFacts> facts_;
  SslSessionPtr early_;
};

}  // namespace sealpost::tls
