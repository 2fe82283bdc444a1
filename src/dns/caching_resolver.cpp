// SPDX-License-Identifier: Apache-2.0
#include "dns/caching_resolver.hpp"

#include <algorithm>

#include "dns/failed_answer.hpp"
#include "dns/name.hpp"

namespace sealpost::dns {

struct CachingResolver::Flight {
  explicit Flight(event::Loop& loop) noexcept : landed(loop) {}
  AnswerPtr answer;
  event::Signal landed;
};

CachingResolver::CachingResolver(event::Loop& loop, Resolver& inner, const CacheSettings& settings)
    : loop_(loop),
      inner_(inner),
      settings_(settings),
      cache_(settings.most_answers, settings.most_octets),
      scope_(loop) {}

CachingResolver::~CachingResolver() = default;

event::Task<AnswerPtr> CachingResolver::query(std::string name, RrType type) {
  auto normal = normal_name(name);
  if (!normal) co_return failed_answer("not a domain name");
  Question question(std::move(*normal), type);
  auto found = co_await answer(std::move(question), false);
  co_return found;
}

event::Task<AnswerPtr> CachingResolver::query_fresh(std::string name, RrType type) {
  auto normal = normal_name(name);
  if (!normal) co_return failed_answer("not a domain name");
  Question question(std::move(*normal), type);
  auto found = co_await answer(std::move(question), true);
  co_return found;
}

void CachingResolver::prefetch(std::string_view name, RrType type) {
  auto normal = normal_name(name);
  if (!normal) return;
  const Question question(std::move(*normal), type);
  if (!cached(question, false)) join(question);
}

void CachingResolver::serve(Question question, bool fresh, const Reply& reply) {
  if (auto hit = cached(question, fresh)) return reply.send(std::move(hit));
  scope_.spawn(serve_later(std::move(question), fresh, reply));
}

event::Task<void> CachingResolver::serve_later(Question question, bool fresh, Reply reply) {
  auto found = co_await answer(std::move(question), fresh);
  reply.send(std::move(found));
}

event::Task<AnswerPtr> CachingResolver::answer(Question question, bool fresh) {
  auto hit = cached(question, fresh);
  if (hit) co_return hit;
  const auto flight = join(question);
  if (!flight) co_return failed_answer("too many DNS questions in flight");
  while (!flight->answer) co_await flight->landed.wait();
  co_return flight->answer;
}

AnswerPtr CachingResolver::cached(const Question& question, bool fresh) {
  const SteadyTime now = loop_.now();
  auto hit = cache_.find(question, now,
                         std::max(trusted_since(), fresh ? now - settings_.fresh : SteadyTime::min()));
  if (hit) ++counters_.hits;
  return hit;
}

std::shared_ptr<CachingResolver::Flight> CachingResolver::join(const Question& question) {
  if (const auto found = flights_.find(question); found != flights_.end()) {
    ++counters_.joined;
    return found->second;
  }
  if (flights_.size() >= settings_.most_in_flight) return nullptr;
  ++counters_.misses;
  auto flight = std::make_shared<Flight>(loop_);
  flights_.emplace(question, flight);
  scope_.spawn(fly(question, flight));
  return flight;
}

// Those who ask may be gone before the answer is there; it is fetched and kept all the same.
event::Task<void> CachingResolver::fly(Question question, std::shared_ptr<Flight> flight) {
  if (watch_ != nullptr) co_await watch_->first_test(settings_.first_test);
  auto found = co_await inner_.query(question.name, question.type);
  flight->answer = keep(question, std::move(found));
  flights_.erase(question);
  flight->landed.notify();
}

AnswerPtr CachingResolver::keep(const Question& question, AnswerPtr answer) {
  const SteadyTime now = loop_.now();
  if (answer->status == Status::failed) {
    ++counters_.failures;
    auto failed = std::make_shared<Answer>(*answer);
    failed->expires = now + settings_.failure_kept;
    answer = std::move(failed);
  }
  cache_.put(question, answer, now);
  return answer;
}

}  // namespace sealpost::dns
