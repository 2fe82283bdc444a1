// SPDX-License-Identifier: Apache-2.0
#include "app/readiness.hpp"

#include <doctest.h>

#include <algorithm>

using namespace sealpost;
using app::Standing;
using Lines = std::vector<std::string>;

TEST_CASE("alive and ready are two questions, and each no has its reasons in words") {
  Standing well;
  well.taking_mail = true;
  well.listeners = {*Endpoint::parse("192.0.2.1:25")};
  CHECK(app::why_not_alive(well).empty());
  CHECK(app::why_not_ready(well).empty());

  Standing stuck = well;
  stuck.silent = {"worker 1"};
  CHECK(app::why_not_alive(stuck) == Lines{"thread worker 1 does not answer: what it carries stands still"});
  CHECK(app::why_not_ready(stuck) == app::why_not_alive(stuck));

  Standing starting = well;
  starting.taking_mail = false;
  CHECK(app::why_not_alive(starting).empty());
  CHECK(app::why_not_ready(starting) == Lines{"starting: nobody listens yet"});

  Standing ending = well;
  ending.stopping = true;
  ending.journal = "the relay is stopping";
  CHECK(app::why_not_alive(ending).empty());
  CHECK(app::why_not_ready(ending) ==
        Lines{"stopping: no new mail is taken", "journal: the relay is stopping"});

  Standing deaf = well;
  deaf.troubles = {{"listener 192.0.2.1:25", "this machine does not have it", "", {}},
                   {"listening on 192.0.2.1:25", "a worker does not", "", {}},
                   {"listener certificate", "it has ended", "", {}},
                   {"clock", "it stepped", "", {}}};
  CHECK(app::why_not_alive(deaf).empty());
  CHECK(app::why_not_ready(deaf) == Lines{"listener 192.0.2.1:25: this machine does not have it",
                                          "listening on 192.0.2.1:25: a worker does not"});
}

TEST_CASE("T-59 a trouble is counted under one of a few words, whatever it names") {
  struct Row {
    const char *cause, *code;
  };
  for (const Row& row :
       {Row{"listener certificate", "listener_certificate"}, Row{"listener 192.0.2.1:25", "listener"},
        Row{"listening on 192.0.2.1:25", "listener"}, Row{"accounts", "accounts"},
        Row{"database tlsrpt.db", "database"}, Row{"damaged sts.db", "database_damaged"},
        Row{"journal", "journal"}, Row{"journal damage", "journal_damage"}, Row{"thread worker 12", "thread"},
        Row{"clock", "clock"}, Row{"clock record", "clock_record"}, Row{"webhook crm", "webhook"},
        Row{"something new", "other"}})
    CHECK(app::trouble_code(row.cause) == row.code);
  const auto& codes = app::trouble_codes();
  CHECK(std::is_sorted(codes.begin(), codes.end()));
  CHECK(std::adjacent_find(codes.begin(), codes.end()) == codes.end());
  CHECK(std::find(codes.begin(), codes.end(), "other") != codes.end());
}
