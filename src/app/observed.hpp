// SPDX-License-Identifier: Apache-2.0
//
// What only the loops themselves know, as they last said it: a worker that stands still is shown as it was.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dns/caching_resolver.hpp"
#include "queue/shard.hpp"

namespace sealpost::app {

struct Observed {
  struct OfWorker {
    std::size_t jobs = 0, lanes = 0, couriers = 0, sessions = 0, idle = 0;
    queue::Shard::Waiting waiting;
    bool answered = false;  // when it was last asked
  };
  std::vector<OfWorker> workers;
  dns::CachingResolver::Counters names;
  std::size_t names_kept = 0;

  // Over all workers.
  template <class Pick>
  double sum(Pick pick) const {
    double all = 0;
    for (const OfWorker& worker : workers) all += static_cast<double>(pick(worker));
    return all;
  }
};

}  // namespace sealpost::app
