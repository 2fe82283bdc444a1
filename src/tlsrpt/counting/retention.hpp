// SPDX-License-Identifier: Apache-2.0
//
// Old days leave tlsrpt.db, and their pages go back to the file system: in small steps on the database's thread, with
// counting between them, so that neither mail nor counters wait.
#pragma once

#include <chrono>

#include "tlsrpt/counting/store_access.hpp"

namespace sealpost::tlsrpt {

struct RetentionSettings {
  RetentionSettings() = default;
  std::chrono::days keep{30};           // our own counts, and what became of their reports
  std::chrono::days keep_received{90};  // reports of others
  std::uint32_t vacuum_pages = 2000;    // given back in one step; 0: the file keeps its size
};

class Retention {
 public:
  Retention(event::Loop& loop, StoreAccess& store, const RetentionSettings& settings)
      : loop_(loop), store_(store), settings_(settings) {}

  // For ever: now, then every hour.
  event::Task<void> run();
  event::Task<void> once();

 private:
  event::Task<bool> step(std::function<Expected<bool>(Store&)> work, const char* what);

  event::Loop& loop_;
  StoreAccess& store_;
  RetentionSettings settings_;
};

// One step each; true: there is more to do.
Expected<bool> forget_counted(Store& store, const std::string& before_day, SystemTime before,
                              std::size_t most);
Expected<bool> forget_received(Store& store, const std::string& before_day, std::size_t most);
Expected<bool> forget_unused_texts(Store& store);
Expected<bool> vacuum(Store& store, std::uint32_t pages);

}  // namespace sealpost::tlsrpt
