// SPDX-License-Identifier: Apache-2.0
//
// Octets that must not stay in memory (T-62): wiped when their owner goes. Not copied by accident.
#pragma once

#include <string>
#include <string_view>

#include "base/wipe.hpp"

namespace sealpost::auth {

using sealpost::wipe;

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view octets) : octets_(octets) {}
  static Secret taken_from(std::string& octets) {  // which is wiped
    Secret secret{std::string_view(octets)};
    wipe(octets);
    return secret;
  }
  Secret(Secret&& other) noexcept : octets_(std::move(other.octets_)) { wipe(other.octets_); }
  Secret& operator=(Secret&& other) noexcept {
    wipe(octets_);
    octets_ = std::move(other.octets_);
    if (this != &other) wipe(other.octets_);
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { wipe(octets_); }

  std::string_view view() const noexcept { return octets_; }
  const char* c_str() const noexcept { return octets_.c_str(); }
  bool empty() const noexcept { return octets_.empty(); }
  bool operator==(const Secret& other) const noexcept { return octets_ == other.octets_; }

 private:
  std::string octets_;
};

// Wipes what somebody else owns, at the end of the block.
class WipeAtEnd {
 public:
  explicit WipeAtEnd(std::string& octets) noexcept : octets_(octets) {}
  WipeAtEnd(const WipeAtEnd&) = delete;
  WipeAtEnd& operator=(const WipeAtEnd&) = delete;
  ~WipeAtEnd() { wipe(octets_); }

 private:
  std::string& octets_;
};

}  // namespace sealpost::auth
