// SPDX-License-Identifier: Apache-2.0
//
// Answers by question until they expire, the least recently used given up first when the bounds are reached.
// A value type without I/O: the shared cache of the resolver loop and the small one of each worker are both
// this.
#pragma once

#include <cstddef>
#include <list>
#include <unordered_map>

#include "dns/answer_parser.hpp"

namespace sealpost::dns {

struct QuestionHash {
  std::size_t operator()(const Question& question) const noexcept {
    return std::hash<std::string>{}(question.name) * 31 + static_cast<std::size_t>(question.type);
  }
};

// Octets an answer takes, near enough to bound a cache with.
std::size_t weight_of(const Answer& answer) noexcept;

class AnswerCache {
 public:
  AnswerCache(std::size_t most_answers, std::size_t most_octets) noexcept
      : most_answers_(most_answers), most_octets_(most_octets) {}

  // Null when there is none, it has expired, or it was put in before `not_before`.
  AnswerPtr find(const Question& question, SteadyTime now, SteadyTime not_before = SteadyTime::min());
  // Keeps the answer until its own `expires`; replaces what was there.
  void put(const Question& question, AnswerPtr answer, SteadyTime now);
  std::size_t size() const noexcept { return index_.size(); }
  std::size_t octets() const noexcept { return octets_; }

 private:
  struct Entry {
    Question question;
    AnswerPtr answer;
    SteadyTime put_at;
    std::size_t weight;
  };
  using Entries = std::list<Entry>;
  void erase(Entries::iterator entry);

  std::size_t most_answers_, most_octets_;
  std::size_t octets_ = 0;
  Entries entries_;  // the most recently used first
  std::unordered_map<Question, Entries::iterator, QuestionHash> index_;
};

}  // namespace sealpost::dns
