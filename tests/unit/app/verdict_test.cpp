// SPDX-License-Identifier: Apache-2.0
#include "app/verdict.hpp"

#include <doctest.h>

#include <string>

using sealpost::app::verdict_of;
using Json = nlohmann::json;

TEST_CASE("the verdict says in words what is wrong, and how bad it is") {
  const Json well = {{"state", "running"},
                     {"troubles", Json::array()},
                     {"spool", {{"state", "ok"}}},
                     {"alerts", {{"kinds", Json::object()}}},
                     {"queue", {{"recipients", 0}, {"held", 0}, {"oldest_s", 0}, {"late_after_s", 14'400}}},
                     {"dnssec", {{"state", "proven"}, {"wanted", true}}}};
  struct Row {
    Json change;
    std::string grade, text;
  };
  const std::vector<Row> rows = {
      {Json::object(), "well", "WELL: nothing waits"},
      {{{"queue", {{"recipients", 1128}, {"oldest_s", 7993}}}}, "well", "WELL: 1,128 waiting, oldest 2h13m"},
      {{{"queue", {{"recipients", 3}, {"oldest_s", 14'400}}}}, "well", "WELL: 3 waiting, oldest 4h"},
      {{{"queue", {{"recipients", 1'000'000}, {"oldest_s", 428'400}}}},
       "attention",
       "NOT WELL: mail waits longer than 4h; 1,000,000 waiting, oldest 4d23h"},
      {{{"queue", {{"recipients", 3}, {"held", 3}}}}, "well", "WELL: 3 held"},
      {{{"queue", {{"recipients", 1}, {"held", 1}}},
        {"troubles", {{{"cause", "held mail"}, {"what", "it is held"}, {"remedy", "look"}}}}},
       "attention",
       "NOT WELL: held mail; 1 held"},
      {{{"troubles", {{{"cause", "weaker rules"}, {"what", "they ask for less"}, {"remedy", "say so"}}}}},
       "attention",
       "NOT WELL: weaker rules"},
      {{{"alerts", {{"kinds", {{"delivery", 2}, {"relay", 1}}}}},
        {"queue", {{"recipients", 1128}, {"oldest_s", 7993}}},
        {"dnssec", {{"state", "untested"}, {"wanted", true}, {"explanation", "no answer yet"}}}},
       "attention",
       "NOT WELL: 2 domains kept back; 1,128 waiting, oldest 2h13m; DANE untested"},
      {{{"dnssec", {{"state", "untested"}, {"wanted", false}}}}, "well", "WELL: nothing waits"},
      {{{"troubles", {{{"cause", "clock"}, {"what", "it stepped"}, {"remedy", "set it"}}}}},
       "critical",
       "NOT WELL: clock"},
      {{{"troubles",
         {{{"cause", "clock"}, {"what", "it stepped"}, {"remedy", "set it"}},
          {{"cause", "held mail"}, {"what", "it is held"}, {"remedy", "look"}}}}},
       "critical",
       "NOT WELL: clock; held mail"},
      {{{"troubles", {{{"cause", "DNSSEC"}, {"what", "DANE is OFF"}, {"remedy", "look"}}}},
        {"dnssec", {{"state", "lost"}, {"wanted", true}}}},
       "critical",
       "NOT WELL: DNSSEC"},
      {{{"spool", {{"state", "no room"}}}}, "critical", "NOT WELL: no mail is taken"},
      {{{"state", "starting"}}, "attention", "NOT WELL: starting"},
      {{{"listener_certificate",
         {{"file", "c.pem"}, {"state", "does not name a.test"}, {"fault", "name"}, {"remedy", ""}}}},
       "attention",
       "NOT WELL: listener certificate has another name"},
      {{{"listener_certificate",
         {{"file", "c.pem"}, {"state", "is shown to nobody"}, {"fault", "unused"}, {"remedy", ""}}}},
       "attention",
       "NOT WELL: a listener certificate is never shown"},
      {{{"listener_certificate", {{"state", "ends on 2026-12-01"}, {"fault", "soon"}}},
        {"troubles",
         {{{"cause", "listener certificate"}, {"what", "ends on 2026-12-01"}, {"remedy", "renew it"}}}}},
       "attention",
       "NOT WELL: listener certificate"},
      {{{"listener_certificate", {{"state", "expired on 2026-11-01"}, {"fault", "date"}}},
        {"troubles",
         {{{"cause", "listener certificate"}, {"what", "expired on 2026-11-01"}, {"remedy", "renew it"}}}}},
       "critical",
       "NOT WELL: listener certificate"},
      {{{"listener_certificate", {{"state", "ok"}, {"fault", ""}}}}, "well", "WELL: nothing waits"},
  };
  for (const Row& row : rows) {
    Json status = well;
    status.merge_patch(row.change);
    const Json verdict = verdict_of(status);
    CHECK(verdict.at("text") == row.text);
    CHECK(verdict.at("grade") == row.grade);
    CHECK(verdict.at("problems").empty() == (row.grade == "well"));
  }
}

TEST_CASE("many troubles are named up to three, and all of them listed") {
  Json status{{"troubles", Json::array()}};
  for (const char* cause : {"a", "b", "c", "d", "e"})
    status["troubles"].push_back({{"cause", cause}, {"what", "x"}, {"remedy", "y"}});
  const Json verdict = verdict_of(status);
  CHECK(verdict.at("text") == "NOT WELL: a; b; c; 2 more troubles");
  CHECK(verdict.at("problems").size() == 5);
}
