// SPDX-License-Identifier: Apache-2.0
#include "admin/queue_filter.hpp"

#include <doctest.h>

#include <string>

using namespace sealpost;
using admin::filter_of;
using Json = nlohmann::json;

TEST_CASE("a filter that is not understood whole is refused: passed over, it would mean more mail") {
  struct Row {
    std::string arguments, what;
  };
  const std::vector<Row> rows = {
      {R"({"filter": {"state": "held", "domian": "x"}})",
       "'domian' is nothing that mail of the queue can be told by"},
      {R"({"filter": {"through": "01M8M4JEM78GFXF3XHDW191F5E"}})", "'through' is nothing that"},
      {R"({"filter": {"id": []}})", "'id' of the filter is empty"},
      {R"({"filter": {"state": "held", "id": []}})", "'id' of the filter is empty"},
      {R"({"filter": {"id": "01M8M4JEM78GFXF3XHDW191F5E"}})", "the ids are no list"},
      {R"({"filter": {"id": null}})", "'id' of the filter is empty"},
      {R"({"filter": {"id": [7]}})", "'7' is not a queue id"},
      {R"({"filter": {"id": ["../x"]}})", "'../x' is not a queue id"},
      {R"({"filter": {"domain": ""}})", "'domain' of the filter is empty"},
      {R"({"filter": {"sender": ""}})", "'sender' of the filter is empty"},
      {R"({"filter": {"recipient": ""}})", "'recipient' of the filter is empty"},
      {R"({"filter": {"next_hop": ""}})", "'next_hop' of the filter is empty"},
      {R"({"filter": {"policy": ""}})", "'policy' of the filter is empty"},
      {R"({"filter": {"reason": ""}})", "'reason' of the filter is empty"},
      {R"({"filter": {"reason": "~"}})", "the reason to look for is empty"},
      {R"({"filter": {"state": ""}})", "'state' of the filter is empty"},
      {R"({"filter": {"older": ""}})", "'older' of the filter is empty"},
      {R"({"filter": {"domain": null}})", "'domain' of the filter is no string"},
      {R"({"filter": {"domain": 7}})", "'domain' of the filter is no string"},
      {R"({"filter": {"domain": ["a.test"]}})", "'domain' of the filter is no string"},
      {R"({"filter": {"older": 7200}})", "'older' of the filter is no string"},
      {R"({"filter": {"older": "soon"}})", "'soon' is not how long ago"},
      {R"({"filter": {"state": "lost"}})", "'lost' is no state of mail"},
      {R"({"filter": null})", "the filter is no object"},
      {R"({"filter": []})", "the filter is no object"},
      {R"({"filter": "a.test"})", "the filter is no object"},
      {R"({"domain": "x", "all": true})", "'domain' is no argument of a queue command"},
      {R"({"id": "01M8M4JEM78GFXF3XHDW191F5E"})", "'id' is no argument of a queue command"},
      {R"({"filter": {"state": "held"}, "domian": "x"})", "'domian' is no argument of a queue command"},
      {R"(["a.test"])", "the arguments are no object"},
      {R"(null)", "the arguments are no object"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.arguments);
    const auto filter = filter_of(Json::parse(row.arguments));
    REQUIRE_FALSE(filter);
    CHECK(filter.error().what.find(row.what) == 0);
    CHECK_FALSE(filter.error().remedy.empty());
  }
}

TEST_CASE("what a filter says is what is asked") {
  const auto filter = filter_of(Json::parse(R"({
      "filter": {"id": ["01M8M4JEM78GFXF3XHDW191F5E"], "sender": "a@b.test", "recipient": "<>",
                 "domain": "c\u00fc.test", "next_hop": "gw.test", "policy": "mta-sts", "reason": "~421",
                 "state": "deferred", "older": "1h30m"},
      "all": true, "preview": true, "note": "x", "by": "domain", "limit": 3, "offset": 0})"));
  REQUIRE(filter);
  REQUIRE(filter->ids.size() == 1);
  CHECK(filter->ids[0].to_string() == "01M8M4JEM78GFXF3XHDW191F5E");
  CHECK(filter->sender == "a@b.test");
  CHECK(filter->recipient == "<>");
  CHECK(filter->domain.starts_with("xn--"));
  CHECK(filter->next_hop == "gw.test");
  CHECK(filter->policy == "mta-sts");
  CHECK(filter->reason == "421");
  CHECK(filter->state == "deferred");
  CHECK(filter->older == std::chrono::minutes(90));
}

TEST_CASE("no filter is everything; whether that is meant is asked elsewhere") {
  for (const char* arguments : {"{}", R"({"filter": {}})", R"({"filter": {}, "all": true})"}) {
    const auto filter = filter_of(Json::parse(arguments));
    REQUIRE(filter);
    CHECK(filter->all());
  }
}
