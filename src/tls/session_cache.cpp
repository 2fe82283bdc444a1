// SPDX-License-Identifier: Apache-2.0
#include "tls/session_cache.hpp"

#include <new>

namespace sealpost::tls {

const SessionCache::Entry* SessionCache::find(std::string_view key) {
  const auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  const auto entry = found->second;
  // A connection that broke spoils the session it used (RFC 5246 §7.2.2).
  if (SSL_SESSION_is_resumable(entry->session.get()) != 1) {
    index_.erase(found);
    entries_.erase(entry);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, entry);
  return &*entry;
}

void SessionCache::put(std::string key, SslSessionPtr session,
                       std::shared_ptr<const CertificateFacts> facts) {
  if (most_ == 0) return;
  drop(key);
  if (entries_.size() == most_) {
    index_.erase(entries_.back().key);
    entries_.pop_back();
  }
  entries_.push_front(Entry{std::move(key), std::move(session), std::move(facts)});
  index_.emplace(entries_.front().key, entries_.begin());
}

void SessionCache::drop(std::string_view key) {
  const auto found = index_.find(key);
  if (found == index_.end()) return;
  const auto entry = found->second;
  index_.erase(found);
  entries_.erase(entry);
}

void SessionKeeper::arrived(SslSessionPtr session) {
  if (!cache_) return;
  if (facts_) {
    cache_->put(key_, std::move(session), facts_);
  } else {
    early_ = std::move(session);
  }
}

void SessionKeeper::established(std::shared_ptr<const CertificateFacts> facts) {
  facts_ = std::move(facts);
  if (cache_ && early_) cache_->put(key_, std::move(early_), facts_);
}

namespace {

int keeper_slot() {
  static const int slot = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr,
                                               [](void*, void* keeper, CRYPTO_EX_DATA*, int, long, void*) {
                                                 delete static_cast<SessionKeeper*>(keeper);
                                               });
  if (slot < 0) throw std::bad_alloc();
  return slot;
}

}  // namespace

void SessionKeeper::attach(SSL& ssl, std::unique_ptr<SessionKeeper> keeper) {
  if (SSL_set_ex_data(&ssl, keeper_slot(), keeper.get()) != 1) throw std::bad_alloc();
  keeper.release();
}

SessionKeeper* SessionKeeper::of(SSL& ssl) noexcept {
  return static_cast<SessionKeeper*>(SSL_get_ex_data(&ssl, keeper_slot()));
}

}  // namespace sealpost::tls
