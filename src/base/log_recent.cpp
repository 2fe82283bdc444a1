// SPDX-License-Identifier: Apache-2.0
#include "base/log_recent.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>

namespace sealpost::log {
namespace {

struct Recent {
  std::mutex mutex;
  std::deque<std::shared_ptr<const std::string>> lines;
  std::size_t octets = 0;
};

// Never destroyed: other static destructors may still log.
Recent& kept() {
  static Recent* const instance = new Recent;
  return *instance;
}

std::atomic<bool> keeping{false};

}  // namespace

void keep_recent(bool keep) noexcept { keeping.store(keep, std::memory_order_relaxed); }
bool keeps_recent() noexcept { return keeping.load(std::memory_order_relaxed); }

void add_recent(std::string line) {
  auto kept_line = std::make_shared<const std::string>(std::move(line));
  Recent& recent = kept();
  const std::lock_guard lock(recent.mutex);
  recent.octets += kept_line->size();
  recent.lines.push_back(std::move(kept_line));
  while (recent.lines.size() > most_recent_lines || recent.octets > most_recent_octets) {
    recent.octets -= recent.lines.front()->size();
    recent.lines.pop_front();
  }
}

std::vector<std::string> recent(std::size_t most, const std::function<bool(std::string_view line)>& wanted) {
  // Looked at without the lock: who writes a line waits for nobody who reads.
  Recent& all = kept();
  std::unique_lock lock(all.mutex);
  const auto lines = all.lines;
  lock.unlock();
  std::vector<std::string> found;
  for (auto line = lines.rbegin(); line != lines.rend() && found.size() < most; ++line)
    if (wanted(**line)) found.push_back(**line);
  std::reverse(found.begin(), found.end());
  return found;
}

}  // namespace sealpost::log
