// SPDX-License-Identifier: Apache-2.0
//
// Not built: the right way to write what bad.cpp does. rules.query must accept all of it.
#include <string>
#include <vector>

#include "event/wait.hpp"

namespace sealpost::event {
namespace {

struct Aggregate {
  std::string text;
  int number = 0;
};
struct Class {
  explicit Class(std::string text_ = {}) : text(std::move(text_)) {}
  std::string text;
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
Task<int> of_class(Loop& loop, Class = Class("default")) {
  co_await yield(loop);
  co_return 1;
}

Task<void> conditions(Loop& loop) {
  const bool yes = co_await flag(loop);
  if (!yes) co_return;
  for (int i = 0; i < 3; ++i) {
    const bool more = co_await flag(loop);
    if (!more) break;
  }
}

Task<Aggregate> values(Loop& loop) {
  Aggregate named{"x", 1};
  co_await of_aggregate(loop, named);
  co_await of_aggregate(loop, std::move(named));
  co_await of_class(loop);
  co_await of_class(loop, Class("constructor"));
  co_await of_class(loop, Class{std::string("braces that call a constructor")});
  const auto make = [&loop] { return loop.is_current() ? std::string("a") : std::string("b"); };
  const std::string made = make();
  co_await of_class(loop, Class(made));
  const char* which = loop.is_current() ? "a" : "b";
  co_await of_class(loop, Class(loop.is_current() ? which : "c"));
  std::vector<Class> list;
  list.emplace_back(co_await text(loop));
  std::string awaited = co_await text(loop);
  Aggregate result{std::move(awaited), 1};
  co_return result;
}

}  // namespace
}  // namespace sealpost::event
