// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/counting/pending.hpp"

namespace sealpost::tlsrpt {

std::size_t Pending::new_kinds(const CountedEntry& entry) const {
  const auto summary = tally_.find(entry.key);
  if (summary == tally_.end()) return 1 + entry.failures.size();
  std::size_t fresh = 0;
  for (const FailureDetail& detail : entry.failures)
    fresh += summary->second.failures.contains(detail) ? 0u : 1u;
  return fresh;
}

bool Pending::add(const SessionRecord& record) {
  std::vector<CountedEntry> entries = count_session(record);
  std::size_t fresh = 0;
  for (const CountedEntry& entry : entries) fresh += new_kinds(entry);
  if (fresh > 0 && kinds_ + fresh > most_kinds) return false;
  for (CountedEntry& entry : entries) fold(tally_, std::move(entry));
  kinds_ += fresh;
  ++sessions_;
  return true;
}

void Pending::clear() {
  tally_.clear();
  sessions_ = kinds_ = 0;
}

}  // namespace sealpost::tlsrpt
