// SPDX-License-Identifier: Apache-2.0
//
// Follower: reads the journal behind the writer, in its own time, and keeps what it makes of it in a store of its own. What
// it has read is noted in the same transaction as what it made of that, so that after any crash each entry has had its
// effect exactly once. A segment that a follower has not read is kept for it, within a bound (FollowerLimits): a follower
// that is slow or broken costs disk, says so, and never keeps mail from being taken.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sealpost/expected.hpp"
#include "spool/journal_state.hpp"

namespace sealpost::spool {

// In the journal: an offset in a segment, where a record begins or the next one will.
struct Position {
  std::uint64_t segment = 0;
  std::uint32_t offset = 0;
  auto operator<=>(const Position&) const = default;
};

// How far a follower has read, and of whose journal.
struct Cursor {
  std::uint64_t node = 0;
  Position position;
  bool operator==(const Cursor&) const = default;
};

// All calls but idle() come from one thread, its own.
class Follower {
 public:
  virtual ~Follower() = default;
  // A word for logs, metrics and alerts: "ledger".
  virtual std::string_view name() const noexcept = 0;
  // It wants nothing now: the journal is neither read nor kept for it. Once it wants something again it is asked for its
  // cursor, as at a start. Any thread.
  virtual bool idle() const noexcept { return false; }
  // How far its store says that it has read; nullopt: nothing yet, it begins with the oldest segment there is.
  virtual Expected<std::optional<Cursor>> cursor() = 0;
  // The entries of whole groups, in the order of the journal. Their effect and `next` become durable together (a power cut
  // must not take them back: the segment may be gone then). On an error nothing of it has happened, and they come again.
  virtual Expected<void> apply(const std::vector<JournalEntry>& entries, const Cursor& next) = 0;
  // What lies between could not be read: the journal was freed unread beyond the bound, damaged, or is another one. Durable
  // together with `next`, as above.
  virtual Expected<void> missed(const Cursor& from, const Cursor& next, std::string_view why) = 0;
  // All that was durable has been read, up to `at`, which its store knows or may take now: the moment for what it has to say
  // that is in no journal. Again at each turn, so that who has nothing to say is to be quick. Its thread.
  virtual Expected<void> caught_up(const Cursor& /*at*/) { return {}; }
};

}  // namespace sealpost::spool
