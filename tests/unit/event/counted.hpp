// SPDX-License-Identifier: Apache-2.0
//
// Counted: how many objects of it live. A frame that is destroyed twice, or never, shows in the balance.
#pragma once

namespace sealpost::event {

class Counted {
 public:
  Counted() noexcept { ++alive_; }
  Counted(const Counted&) noexcept { ++alive_; }
  Counted(Counted&&) noexcept { ++alive_; }
  Counted& operator=(const Counted&) = default;
  Counted& operator=(Counted&&) = default;
  ~Counted() { --alive_; }
  static int alive() noexcept { return alive_; }

 private:
  static inline int alive_ = 0;
};

}  // namespace sealpost::event
