// SPDX-License-Identifier: Apache-2.0
//
// A Resolver in front of another: answers from memory while they last, one query in flight per question
// however many ask (T-40), failures remembered for seconds so that a dead zone is not asked for by every
// message (RFC 9520 §3.2). Lives on one loop; workers on other loops ask through a ResolverProxy.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "dns/answer_cache.hpp"
#include "dns/dnssec_watch.hpp"
#include "dns/resolver.hpp"
#include "event/loop.hpp"
#include "event/wait.hpp"

namespace sealpost::dns {

struct CacheSettings {
  CacheSettings() = default;
  std::size_t most_answers = 200'000;
  std::size_t most_octets = std::size_t{128} << 20;
  std::size_t most_in_flight = 20'000;  // questions; more fail at once
  Duration failure_kept = std::chrono::seconds(5);
  Duration fresh = std::chrono::seconds(5);       // what query_fresh() still takes from memory
  Duration first_test = std::chrono::seconds(5);  // the most that questions wait for the watch's first run
};

class CachingResolver final : public Resolver {
 public:
  CachingResolver(event::Loop& loop, Resolver& inner, const CacheSettings& settings = {});
  ~CachingResolver() override;

  event::Task<AnswerPtr> query(std::string name, RrType type) override;
  event::Task<AnswerPtr> query_fresh(std::string name, RrType type) override;
  void prefetch(std::string_view name, RrType type) override;
  DaneMode dane_mode() const noexcept override { return watch_ ? watch_->mode() : inner_.dane_mode(); }
  std::string dane_why() const override { return watch_ ? watch_->explanation() : inner_.dane_why(); }
  // What was known before the servers' standing changed is asked for again. From any thread.
  SteadyTime trusted_since() const noexcept { return watch_ ? watch_->since() : SteadyTime::min(); }
  // Set before the first proxy asks; must outlive this. Its first run comes before the first question: mail that a
  // start finds in the queue is not put off because nobody has looked yet what answers are worth.
  void use_watch(DnssecWatch& watch) noexcept { watch_ = &watch; }

  event::Loop& loop() const noexcept { return loop_; }
  // For proxies, on this loop: the answer goes to `reply`, at once when it is known.
  using Reply = event::OneShot<AnswerPtr>::Sender;
  void serve(Question question, bool fresh, const Reply& reply);

  struct Counters {
    std::uint64_t hits = 0, misses = 0, joined = 0, failures = 0;
  };
  const Counters& counters() const noexcept { return counters_; }
  const AnswerCache& cache() const noexcept { return cache_; }

 private:
  struct Flight;
  AnswerPtr cached(const Question& question, bool fresh);
  std::shared_ptr<Flight> join(const Question& question);
  event::Task<AnswerPtr> answer(Question question, bool fresh);
  event::Task<void> fly(Question question, std::shared_ptr<Flight> flight);
  event::Task<void> serve_later(Question question, bool fresh, Reply reply);
  AnswerPtr keep(const Question& question, AnswerPtr answer);

  event::Loop& loop_;
  Resolver& inner_;
  DnssecWatch* watch_ = nullptr;
  CacheSettings settings_;
  AnswerCache cache_;
  Counters counters_;
  std::unordered_map<Question, std::shared_ptr<Flight>, QuestionHash> flights_;
  event::TaskScope scope_;
};

}  // namespace sealpost::dns
