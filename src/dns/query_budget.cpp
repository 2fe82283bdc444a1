// SPDX-License-Identifier: Apache-2.0
#include "dns/query_budget.hpp"

#include "base/planted.hpp"
#include "dns/failed_answer.hpp"
#include "dns/name.hpp"

namespace sealpost::dns {

namespace {

AnswerPtr spent_answer() {
  return failed_answer("this attempt has asked its " + std::to_string(QueryBudget::most_questions) +
                       " DNS questions: its domain's records lead to too many names");
}

}  // namespace

bool QueryBudget::take(std::string_view name, RrType type) {
  auto normal = normal_name(name);
  if (!normal) return true;  // is refused without a question
  Question question(std::move(*normal), type);
  if (asked_.contains(question)) return true;
  if (spent_ >= most_questions && !planted(Plant::no_query_budget)) return false;
  ++spent_;
  asked_.insert(std::move(question));
  return true;
}

// Aliases took it past the end: what was only begun is not waited for either.
bool QueryBudget::over() const { return spent_ > most_questions && !planted(Plant::no_query_budget); }

event::Task<AnswerPtr> QueryBudget::answered(event::Task<AnswerPtr> asked, bool counts_aliases) {
  auto answer = co_await asked;
  if (counts_aliases) spent_ += answer->questions - 1U;
  co_return answer;
}

event::Task<AnswerPtr> QueryBudget::query(std::string name, RrType type) {
  if (!take(name, type)) co_return spent_answer();
  const bool first = aliases_counted_.insert(Question(normal_name(name).value_or(name), type)).second;
  if (first && over()) co_return spent_answer();
  auto answer = co_await answered(inner_.query(std::move(name), type), first);
  co_return answer;
}

event::Task<AnswerPtr> QueryBudget::query_fresh(std::string name, RrType type) {
  if (!take(name, type)) co_return spent_answer();
  const bool first = aliases_counted_.insert(Question(normal_name(name).value_or(name), type)).second;
  if (first && over()) co_return spent_answer();
  auto answer = co_await answered(inner_.query_fresh(std::move(name), type), first);
  co_return answer;
}

void QueryBudget::prefetch(std::string_view name, RrType type) {
  if (take(name, type)) inner_.prefetch(name, type);
}

}  // namespace sealpost::dns
