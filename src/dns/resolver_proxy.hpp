// SPDX-License-Identifier: Apache-2.0
//
// The Resolver of one worker: a small memory of its own, behind it the CachingResolver on the resolver loop.
// A known answer costs one table look-up and no change of thread; an unknown one is posted there and comes
// back to this loop.
#pragma once

#include "dns/answer_cache.hpp"
#include "dns/caching_resolver.hpp"

namespace sealpost::dns {

class ResolverProxy final : public Resolver {
 public:
  // `shared` and its loop must outlive this; the worker's loop must outlive the shared resolver's last reply.
  ResolverProxy(event::Loop& home, CachingResolver& shared, std::size_t most_answers = 10'000,
                std::size_t most_octets = std::size_t{8} << 20) noexcept
      : home_(home), shared_(shared), cache_(most_answers, most_octets) {}

  event::Task<AnswerPtr> query(std::string name, RrType type) override;
  event::Task<AnswerPtr> query_fresh(std::string name, RrType type) override;
  void prefetch(std::string_view name, RrType type) override;
  DaneMode dane_mode() const noexcept override { return shared_.dane_mode(); }
  std::string dane_why() const override { return shared_.dane_why(); }

 private:
  event::Task<AnswerPtr> ask(Question question, bool fresh);

  event::Loop& home_;
  CachingResolver& shared_;
  AnswerCache cache_;
};

}  // namespace sealpost::dns
