// SPDX-License-Identifier: Apache-2.0
//
// What is not well with the relay itself: damage, doubt, a part that it runs without. One entry per cause while it
// lasts. A cause is logged when it begins, when its words change and when it ends; `status` lists those that last, and
// each is an alert (docs/operating.md). Part of nothing that decides about mail. Thread-safe.
//
//   health.raise("database tlsrpt.db", "it is locked by another process", "end what reads it; counting goes on in memory");
//   ...
//   health.clear("database tlsrpt.db");
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "sealpost/clock.hpp"

namespace sealpost {

class Health {
 public:
  struct Trouble {
    std::string cause;  // names the part, the same words from beginning to end
    std::string what;   // in words, for who has not read the source
    std::string how;    // what to do about it
    SystemTime since{};
  };
  static constexpr std::size_t most = 256;  // causes at once; further ones are logged and not listed

  using Now = SystemTime (*)();
  explicit Health(Now now = nullptr);  // null: the system's clock

  void raise(std::string_view cause, std::string what, std::string how);
  void clear(std::string_view cause);  // nothing happens when it does not last
  bool well() const;
  std::vector<Trouble> list() const;  // by cause

 private:
  const Now now_;
  mutable std::mutex mutex_;
  std::map<std::string, Trouble, std::less<>> troubles_;
};

}  // namespace sealpost
