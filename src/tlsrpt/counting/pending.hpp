// SPDX-License-Identifier: Apache-2.0
//
// Counts that are not in tlsrpt.db yet: folded, so that they are bounded in kinds and not in sessions. Nothing in it is
// lost while the database cannot be written; a session of a new kind beyond the bound is refused, and its caller says so
// (D-25). One thread.
#pragma once

#include "tlsrpt/counting/counted.hpp"

namespace sealpost::tlsrpt {

class Pending {
 public:
  // Summaries and failure details together; some hundred octets each.
  static constexpr std::size_t most_kinds = 50'000;

  // False: nothing of the session was counted.
  bool add(const SessionRecord& record);
  const Tally& tally() const noexcept { return tally_; }
  std::size_t sessions() const noexcept { return sessions_; }
  std::size_t kinds() const noexcept { return kinds_; }
  bool empty() const noexcept { return sessions_ == 0; }
  void clear();

 private:
  std::size_t new_kinds(const CountedEntry& entry) const;

  Tally tally_;
  std::size_t sessions_ = 0, kinds_ = 0;
};

}  // namespace sealpost::tlsrpt
