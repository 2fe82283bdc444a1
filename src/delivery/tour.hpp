// SPDX-License-Identifier: Apache-2.0
//
// Tour: where one attempt has been. RFC 5321 §5.1 wants the hosts of a domain tried in order until one takes the mail; an
// address is tried at most once in an attempt. How many sessions an attempt may have grows from one attempt to the
// next: a host that greylists on all its names is not asked ten times in a minute, and a host that works is reached in
// the end, however many before it do not.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "mail/message_id.hpp"
#include "sealpost/clock.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost::delivery {

class Tour {
 public:
  static constexpr std::uint32_t first_sessions = 3;  // in a first attempt; then one more each time
  static constexpr std::uint32_t most_sessions = 10;  // as many as an attempt may have hosts (T-40)
  static constexpr std::chrono::minutes longest{20};  // then no further host is begun with

  Tour(std::uint32_t attempts, SteadyTime began)
      : most_(std::min(most_sessions, first_sessions - 1 + std::max(attempts, 1U))), began_(began) {}

  // Whose attempt it is, for the log.
  void about(const MessageId& id) noexcept { id_ = id; }
  std::string message() const { return id_ == MessageId() ? std::string() : id_.to_string(); }

  // May another session follow those that ended without the mail taken?
  bool goes_on(SteadyTime now) const noexcept { return sessions_ < most_ && now - began_ < longest; }
  void end_session() noexcept { ++sessions_; }

  void tried(const std::string& host, const Endpoint& endpoint) {
    if (!was_at(host, endpoint)) endpoints_.emplace_back(host, endpoint);
  }
  // What it said stands for all its addresses.
  void leave(const std::string& host) {
    if (!left(host)) left_.push_back(host);
  }
  // A session with it ended for no other reason than that it had carried enough: a new one, not a pooled one.
  void once_more(const std::string& host, const Endpoint& endpoint) {
    std::erase(endpoints_, std::pair(host, endpoint));
    anew_ = true;
  }

  bool begun() const noexcept { return !endpoints_.empty() || !left_.empty(); }
  bool anew() const noexcept { return anew_; }
  bool left(const std::string& host) const {
    return std::find(left_.begin(), left_.end(), host) != left_.end();
  }
  bool was_at(const std::string& host, const Endpoint& endpoint) const {
    return std::find(endpoints_.begin(), endpoints_.end(), std::pair(host, endpoint)) != endpoints_.end();
  }
  std::ptrdiff_t addresses_of(const std::string& host) const {
    return std::count_if(endpoints_.begin(), endpoints_.end(),
                         [&](const auto& entry) { return entry.first == host; });
  }
  std::size_t endpoints() const noexcept { return endpoints_.size(); }

 private:
  std::uint32_t most_;
  SteadyTime began_;
  std::uint32_t sessions_ = 0;
  bool anew_ = false;
  MessageId id_;
  std::vector<std::string> left_;
  std::vector<std::pair<std::string, Endpoint>> endpoints_;
};

}  // namespace sealpost::delivery
