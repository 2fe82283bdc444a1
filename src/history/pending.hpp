// SPDX-License-Identifier: Apache-2.0
//
// Sessions that evidence.db did not take: folded by kind, so that they are bounded in kinds and not in sessions, and
// written when it does (D-23). A session of a new kind beyond the bound is refused, and its caller says so. One thread.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "history/session.hpp"

namespace sealpost::history {

class Pending {
 public:
  static constexpr std::size_t most_kinds = 20'000;  // a few kilobytes each

  bool add(const Session& session);  // false: refused
  std::vector<Counted> all() const;
  std::size_t sessions() const noexcept { return sessions_; }
  std::size_t kinds() const noexcept { return kinds_.size(); }
  bool empty() const noexcept { return kinds_.empty(); }
  void clear();

 private:
  std::unordered_map<std::string, Counted> kinds_;
  std::size_t sessions_ = 0;
};

}  // namespace sealpost::history
