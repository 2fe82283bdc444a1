// SPDX-License-Identifier: Apache-2.0
#include "dns/query_budget.hpp"

#include <doctest.h>

#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "table_resolver.hpp"

using namespace sealpost;
using namespace sealpost::dns;
using namespace sealpost::dns::test;

TEST_CASE("T-40: an attempt asks 60 different questions and no more; the same one again is free") {
  sealpost::event::SimLoop loop;
  TableResolver table(loop);
  QueryBudget budget(table);
  const auto ask = [&](const std::string& name, RrType type) {
    return sealpost::event::run_until_done(loop, budget.query(name, type));
  };
  for (int i = 0; i < 60; ++i) {
    table.address("h" + std::to_string(i) + ".test", {"192.0.2.1"});
    CHECK(ask("h" + std::to_string(i) + ".test", RrType::a)->status == Status::found);
  }
  CHECK(ask("H0.test.", RrType::a)->status == Status::found);
  const auto over = ask("h0.test", RrType::aaaa);
  CHECK(over->status == Status::failed);  // nothing is known: never absence
  CHECK(over->why.find("60 DNS questions") != std::string::npos);
  budget.prefetch("h1.test", RrType::aaaa);
  CHECK(table.count("h1.test", RrType::aaaa) == 0);
  CHECK(table.count("h0.test", RrType::aaaa) == 0);
}

TEST_CASE("T-40: aliases that were followed for an answer count, once") {
  sealpost::event::SimLoop loop;
  TableResolver table(loop);
  table.address("h.test", {"192.0.2.1"}).questions = 9;
  QueryBudget budget(table, 3);
  for (int i = 0; i < 3; ++i) sealpost::event::run_until_done(loop, budget.query("h.test", RrType::a));
  CHECK(budget.spent() == 12);
}
