// SPDX-License-Identifier: Apache-2.0
//
// Not built: one example of each construct that rules.query must reject. `expect` names the rule for its line.
// Each was run on GCC 12.2: it starts nothing, or destroys something twice.
#include <string>
#include <vector>

#include "event/wait.hpp"

namespace sealpost::event {
namespace {

struct Aggregate {
  std::string text;
  int number = 0;
};
struct Pair {
  std::string first, second;
};

Task<bool> flag(Loop& loop) {
  co_await yield(loop);
  co_return true;
}
Task<std::string> text(Loop& loop) {
  co_await yield(loop);
  co_return std::string("text");
}
Task<int> of_aggregate(Loop& loop, Aggregate) {
  co_await yield(loop);
  co_return 1;
}
Task<int> with_default(Loop& loop, Aggregate = {}) {
  co_await yield(loop);
  co_return 1;
}
Task<int> of_string(Loop& loop, std::string) {
  co_await yield(loop);
  co_return 1;
}
Task<Pair> pair(Loop& loop) {
  co_await yield(loop);
  co_return Pair();
}
int both(Aggregate, int number) { return number; }
std::string made(const Aggregate& = {}) { return {}; }

Task<void> conditions(Loop& loop) {
  if (co_await flag(loop)) co_return;            // expect: condition
  while (!co_await flag(loop)) co_return;        // expect: condition
  if (loop.is_current() && co_await flag(loop))  // expect: condition
    co_return;
  for (int i = 0; co_await flag(loop) && i < 3; ++i) co_return;  // expect: condition
  switch (co_await of_string(loop, "x")) {                       // expect: condition
    case 1: co_return;
    default: break;
  }
  do {  // expect: condition
  } while (co_await flag(loop));
}

Task<void> aggregates(Loop& loop) {
  co_await of_aggregate(loop, Aggregate{"x", 1});                   // expect: aggregate
  co_await of_aggregate(loop, {"x", 1});                            // expect: aggregate
  co_await of_aggregate(loop, {.text = "x"});                       // expect: aggregate
  const int beside = both(Aggregate{"x", 1}, co_await flag(loop));  // expect: aggregate
  const Aggregate variable{co_await text(loop), beside};            // expect: aggregate
  const Aggregate designated = {.text = co_await text(loop)};       // expect: aggregate
  std::vector<Aggregate> list;
  list.push_back(Aggregate{co_await text(loop), variable.number});  // expect: aggregate
  list.back() = Aggregate{co_await text(loop), designated.number};  // expect: aggregate
}
Task<Aggregate> returned(Loop& loop) {
  co_return Aggregate{co_await text(loop), 1};  // expect: aggregate
}

Task<void> closures(Loop& loop) {
  const std::string captured = "captured";
  co_await of_string(loop, [captured] { return captured; }());                  // expect: closure
  const auto sum = [captured] { return 1; }() + co_await of_string(loop, "x");  // expect: closure
  co_await of_string(loop, std::string(static_cast<std::size_t>(sum), 'x'));
}

Task<void> choices(Loop& loop) {
  const bool first = loop.is_current();
  co_await of_string(loop, first ? "literal" : std::string(50, 'x'));          // expect: choice
  const std::string out = first ? co_await text(loop) : std::string(50, 'x');  // expect: choice
  co_await of_string(loop, out);
}

Task<void> default_arguments(Loop& loop) {
  co_await with_default(loop);       // expect: aggregate
  co_await of_string(loop, made());  // expect: aggregate
}

// What a test macro does with its argument is beyond the compiler.
#define CHECK(...) static_cast<void>(__VA_ARGS__)
Task<void> macros(Loop& loop) {
  CHECK(co_await flag(loop));  // expect: macro
}

Task<void> bindings(Loop& loop) {
  auto [a, b] = co_await pair(loop);  // expect: binding
  co_await of_string(loop, a + b);
}

}  // namespace
}  // namespace sealpost::event
