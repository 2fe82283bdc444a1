// SPDX-License-Identifier: Apache-2.0
#include "dns/answer_cache.hpp"

#include <doctest.h>

using namespace sealpost;
using namespace sealpost::dns;
using namespace std::chrono_literals;

namespace {

const SteadyTime start{1h};

AnswerPtr lasting(Duration time, std::size_t text = 0) {
  auto answer = std::make_shared<Answer>();
  answer->status = Status::found;
  answer->expires = start + time;
  if (text > 0) answer->texts.emplace_back(text, 'x');
  return answer;
}

Question question(int number, RrType type = RrType::a) {
  return {"n" + std::to_string(number) + ".test", type};
}

}  // namespace

TEST_CASE("an answer is there until its moment of expiry, for its own question") {
  AnswerCache cache(10, 1 << 20);
  const auto answer = lasting(60s);
  cache.put(question(1), answer, start);
  CHECK(cache.find(question(1), start + 59s) == answer);
  CHECK(cache.find(question(1, RrType::aaaa), start) == nullptr);
  CHECK(cache.find(question(2), start) == nullptr);
  CHECK(cache.find(question(1), start + 60s) == nullptr);
  CHECK(cache.size() == 0);
  CHECK(cache.octets() == 0);
  cache.put(question(1), lasting(0s), start);  // TTL 0 is for the one who asked
  CHECK(cache.size() == 0);
}

TEST_CASE("not_before leaves older answers out without dropping them") {
  AnswerCache cache(10, 1 << 20);
  cache.put(question(1), lasting(60s), start);
  CHECK(cache.find(question(1), start + 10s, start + 5s) == nullptr);
  CHECK(cache.find(question(1), start + 10s, start) != nullptr);
}

TEST_CASE("T-40: the bounds hold, and the least recently used goes first") {
  AnswerCache cache(3, 1 << 20);
  for (int i = 0; i < 3; ++i) cache.put(question(i), lasting(60s), start);
  CHECK(cache.find(question(0), start) != nullptr);
  cache.put(question(3), lasting(60s), start);
  CHECK(cache.size() == 3);
  CHECK(cache.find(question(1), start) == nullptr);
  CHECK(cache.find(question(0), start) != nullptr);

  AnswerCache small(1000, 10'000);
  for (int i = 0; i < 100; ++i) small.put(question(i), lasting(60s, 1000), start);
  CHECK(small.octets() <= 10'000);
  CHECK(small.size() > 3);
  small.put(question(500), lasting(60s, 20'000), start);  // larger than all: not kept, and nothing breaks
  CHECK(small.octets() <= 10'000);
}

TEST_CASE("a new answer takes the old one's place") {
  AnswerCache cache(10, 1 << 20);
  cache.put(question(1), lasting(60s, 500), start);
  const std::size_t before = cache.octets();
  const auto second = lasting(90s, 500);
  cache.put(question(1), second, start);
  CHECK(cache.find(question(1), start) == second);
  CHECK(cache.size() == 1);
  CHECK(cache.octets() == before);
}
