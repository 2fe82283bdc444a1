// SPDX-License-Identifier: Apache-2.0
#include "app/in_force.hpp"

#include <doctest.h>

#include <atomic>
#include <thread>

using namespace sealpost;
using namespace sealpost::app;

TEST_CASE("T-52 who looks while rules are replaced sees one whole set") {
  struct Pair {
    unsigned one, other;
  };
  Published<Pair> published;
  published.set(std::make_shared<const Pair>(Pair{0, 0}));
  std::atomic<bool> done{false};
  std::atomic<unsigned> torn{0}, looks{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i)
    readers.emplace_back([&] {
      while (!done.load()) {
        const auto seen = published.get();
        if (seen->one != seen->other) ++torn;
        ++looks;
      }
    });
  while (looks.load() == 0) std::this_thread::yield();
  for (unsigned n = 1; n <= 20'000; ++n) published.set(std::make_shared<const Pair>(Pair{n, n}));
  done = true;
  for (auto& reader : readers) reader.join();
  CHECK(torn.load() == 0);
  CHECK(published.get()->one == 20'000);
}
