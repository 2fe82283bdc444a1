// SPDX-License-Identifier: Apache-2.0
#include "sts/states.hpp"

namespace sealpost::sts {

std::shared_ptr<const StsState> StsStates::find(const std::string& domain, SteadyTime now) const {
  const Shard& shard = shard_of(domain);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.known.find(domain);
  if (found == shard.known.end() || found->second.until <= now) return nullptr;
  return found->second.state;
}

// A full shard is emptied: what is still needed comes back with one question each.
void StsStates::put(const std::string& domain, StsState state, SteadyTime until) {
  auto shared = std::make_shared<const StsState>(std::move(state));
  Shard& shard = shard_of(domain);
  const std::lock_guard lock(shard.mutex);
  if (shard.known.size() >= most_per_shard_) shard.known.clear();
  shard.known.insert_or_assign(domain, Known{std::move(shared), until});
}

void StsStates::forget(const std::string& domain) {
  Shard& shard = shard_of(domain);
  const std::lock_guard lock(shard.mutex);
  shard.known.erase(domain);
}

}  // namespace sealpost::sts
