// SPDX-License-Identifier: Apache-2.0
//
// injected.db: which messages were handed in with an Idempotency-Key, and for how long the same key is answered with the same
// queue id. The journal holds the fact (the attribute `once`) until a message is finished; what is written here before a message
// leaves for the queue holds it after that (ADR 55). Blocking; one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mail/envelope.hpp"
#include "mail/message_id.hpp"
#include "sealpost/clock.hpp"
#include "sealpost/expected.hpp"
#include "sqlite/database.hpp"

namespace sealpost::injection {

struct OnceRow {
  OnceRow() = default;
  OnceMark mark;
  MessageId id;
  SystemTime at{};
};

class OnceStore {
 public:
  static constexpr std::chrono::hours kept{24};
  static constexpr std::int64_t most =
      1'000'000;  // rows; more within `kept` are refused, and none is forgotten early

  // Opens nothing yet: each call does when it is not open. `health` outlives it; null: nobody is told.
  explicit OnceStore(const std::string& data_dir, Health* health = nullptr, std::int64_t most_rows = most);

  // Nothing: the key is new. Errc::no_space: there is no room for another. Other errors: it cannot be said now.
  Expected<std::optional<OnceRow>> find(const OnceMark& mark, SystemTime now);
  // On disk when it returns without an error; else it is kept in memory and written later.
  Expected<void> put(const OnceRow& row);
  // What the journal says after a start.
  Expected<void> recall(const std::vector<OnceRow>& rows);
  sqlite::Database& file() noexcept { return file_; }

 private:
  Expected<void> write(const OnceRow& row);
  void write_what_waits();
  void forget(SystemTime now);

  sqlite::Database file_;
  const std::int64_t most_;
  std::vector<OnceRow> waiting_;  // could not be written; bounded by most_waiting
  std::int64_t rows_ = -1;        // -1: not counted yet
  std::uint64_t generation_ = 0;
  SystemTime forgotten_{};
};

int newest_once_schema() noexcept;

}  // namespace sealpost::injection
