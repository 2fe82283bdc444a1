// SPDX-License-Identifier: Apache-2.0
#include "base/health.hpp"

#include "base/log.hpp"

namespace sealpost {
namespace {

SystemTime system_now() {
  return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

}  // namespace

Health::Health(Now now) : now_(now != nullptr ? now : system_now) {}

void Health::raise(std::string_view cause, std::string what, std::string how) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = troubles_.find(cause);
    if (found != troubles_.end()) {
      Trouble& trouble = found->second;
      if (trouble.what == what && trouble.how == how) return;
      trouble.what = what;
      trouble.how = how;
    } else if (troubles_.size() < most) {
      troubles_.emplace(std::string(cause), Trouble{std::string(cause), what, how, now_()});
    }
  }
  log::error("trouble", {{"cause", cause}, {"what", what}, {"do", how}});
}

void Health::clear(std::string_view cause) {
  SystemTime since;
  {
    const std::lock_guard lock(mutex_);
    const auto found = troubles_.find(cause);
    if (found == troubles_.end()) return;
    since = found->second.since;
    troubles_.erase(found);
  }
  log::warning("trouble_over", {{"cause", cause}, {"since", to_rfc3339(since)}});
}

bool Health::well() const {
  const std::lock_guard lock(mutex_);
  return troubles_.empty();
}

std::vector<Health::Trouble> Health::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<Trouble> all;
  all.reserve(troubles_.size());
  for (const auto& [cause, trouble] : troubles_) all.push_back(trouble);
  return all;
}

}  // namespace sealpost
