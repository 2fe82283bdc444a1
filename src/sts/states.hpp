// SPDX-License-Identifier: Apache-2.0
//
// What the MTA-STS service last said about each domain, for workers to read without leaving their thread. An entry holds
// until the moment the service gave with it; then the service is asked again. Thread-safe, bounded.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "sealpost/clock.hpp"
#include "sealpost/requirement.hpp"

namespace sealpost::sts {

class StsStates {
 public:
  explicit StsStates(std::size_t most) noexcept : most_per_shard_(most / shard_count + 1) {}

  std::shared_ptr<const StsState> find(const std::string& domain, SteadyTime now) const;
  void put(const std::string& domain, StsState state, SteadyTime until);
  void forget(const std::string& domain);

 private:
  static constexpr std::size_t shard_count = 16;
  struct Known {
    std::shared_ptr<const StsState> state;
    SteadyTime until;
  };
  struct Shard {
    mutable std::mutex mutex;  // guards what follows
    std::unordered_map<std::string, Known> known;
  };
  const Shard& shard_of(const std::string& domain) const noexcept {
    return shards_[std::hash<std::string>{}(domain) % shard_count];
  }
  Shard& shard_of(const std::string& domain) noexcept {
    return shards_[std::hash<std::string>{}(domain) % shard_count];
  }

  const std::size_t most_per_shard_;
  std::array<Shard, shard_count> shards_;
};

}  // namespace sealpost::sts
