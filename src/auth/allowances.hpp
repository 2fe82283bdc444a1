// SPDX-License-Identifier: Apache-2.0
//
// What accounts have sent within the last hour, and what they may still (T-60): a window that slides by the minute, by steady
// time, in memory alone. Thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "auth/bounded_table.hpp"
#include "auth/user_store.hpp"
#include "sealpost/clock.hpp"

namespace sealpost::auth {

class Allowances {
 public:
  // `most` accounts at once: those that are looked at least often start anew when there are more.
  explicit Allowances(std::size_t most = 100'000) : accounts_(most) {}

  // What holds for the account from now on, also in sessions that are open already. Only as it has just been read, and in
  // the order of reading: set() opens what was closed. `stamp`: who comes with another one has to log in again. closed: it is
  // disabled, or gone.
  void set(const std::string& name, Limits limits, std::string stamp = {});
  void close(const std::string& name);
  // One message to so many recipients: true takes it off. `limits` hold for an account that set() was never called for.
  bool take(const std::string& name, Limits limits, std::uint32_t recipients, SteadyTime now,
            std::string_view stamp = {});
  std::vector<std::string> names() const;

 private:
  static constexpr std::size_t minutes = 60;
  struct Used {
    std::uint32_t messages = 0, recipients = 0;
  };
  struct Window {
    std::array<Used, minutes> used;
    std::int64_t minute = 0;  // the newest one in it
    Limits limits;
    std::string stamp;
    bool known = false, closed = false;
  };
  static void move_on(Window& window, std::int64_t minute) noexcept;

  mutable std::mutex mutex_;
  BoundedTable<Window> accounts_;
};

}  // namespace sealpost::auth
