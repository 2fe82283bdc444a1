// SPDX-License-Identifier: Apache-2.0
//
// What one delivery attempt may ask the DNS (T-40): a stranger's records decide how many names an attempt meets, so
// there is an end to it. Different questions count, with the aliases that had to be followed for them; the same one
// again is free, for it comes from a cache. Over the budget every further question fails, which defers; the aliases of the
// last question may go a little past it.
#pragma once

#include <memory>
#include <unordered_set>

#include "dns/answer_cache.hpp"
#include "dns/resolver.hpp"

namespace sealpost::dns {

class QueryBudget final : public Resolver {
 public:
  static constexpr unsigned most_questions = 60;

  // `inner` must outlive this. `spent`: by somebody else for the same attempt.
  explicit QueryBudget(Resolver& inner, unsigned spent = 0) : inner_(inner), spent_(spent) {}

  event::Task<AnswerPtr> query(std::string name, RrType type) override;
  event::Task<AnswerPtr> query_fresh(std::string name, RrType type) override;
  void prefetch(std::string_view name, RrType type) override;
  DaneMode dane_mode() const noexcept override { return inner_.dane_mode(); }
  std::string dane_why() const override { return inner_.dane_why(); }

  unsigned spent() const noexcept { return spent_; }

 private:
  bool take(std::string_view name, RrType type);
  bool over() const;
  event::Task<AnswerPtr> answered(event::Task<AnswerPtr> asked, bool counts_aliases);

  Resolver& inner_;
  unsigned spent_;
  std::unordered_set<Question, QuestionHash> asked_, aliases_counted_;
};

}  // namespace sealpost::dns
