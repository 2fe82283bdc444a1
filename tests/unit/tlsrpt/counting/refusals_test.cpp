// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/counting/refusals.hpp"

#include <doctest.h>

#include "../sending/sending.hpp"
#include "tlsrpt/counting/overview.hpp"

using namespace sealpost;
using namespace sealpost::tlsrpt;

namespace {

// A session that all that is published is happy with, and `source` is not.
SessionRecord refused_by(Source source) {
  SessionRecord record;
  record.when = from_rfc3339("2026-03-01T12:00:00Z").value();
  record.policy_domain = "b.example";
  record.mx_host = "mx.b.example";
  record.facts.emplace();
  record.facts->starttls = StartTls::established;
  DemandResult result;
  result.source = source;
  result.origin = "bank";
  result.failures.push_back(
      {"certificate-not-trusted", "X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT", "4.7.5", "no"});
  record.judgement.verdict = Verdict::refuse;
  record.judgement.results.push_back(result);
  return record;
}

}  // namespace

TEST_CASE("R8 our own demands are counted beside what is reported, never in it") {
  SeenRefusals seen;
  CHECK(note_refusal(seen, refused_by(Source::partner)));
  CHECK(note_refusal(seen, refused_by(Source::partner)));
  CHECK(note_refusal(seen, refused_by(Source::mta_sts)));  // is a failure in the report
  SessionRecord skipped = refused_by(Source::mta_sts);
  skipped.skip.emplace();
  skipped.skip->source = Source::partner;
  skipped.skip->origin = "bank";
  skipped.skip->result_type = "validation-failure";
  skipped.skip->reason_code = "mx-not-allowed";
  CHECK(note_refusal(seen, skipped));
  REQUIRE(seen.size() == 2);

  const TemporaryDirectory dir;
  auto store = Store::open(dir.path() + "/tlsrpt.db");
  REQUIRE(Refusals(*store).keep(seen));
  REQUIRE(Refusals(*store).keep(seen));
  CHECK(Refusals(*store).of_day("2026-03-01", "b.example").value().begin()->second == 4);
  CountedEntry counted;
  counted.key.day = "2026-03-01";
  counted.key.domain = "b.example";
  counted.key.type = "no-policy-found";
  counted.success = true;
  REQUIRE(store->add({counted}));
  CHECK(store->policies("2026-03-01", "b.example")->size() == 1);  // of which reports are made

  const auto lines = overview(*store, OverviewFilter());
  REQUIRE(lines->size() == 2);
  CHECK(lines->at(0).policy_type == "no-policy-found");
  CHECK(lines->at(0).sums.success == 1);
  CHECK(lines->at(1).policy_type == own_rule_type);
  CHECK(lines->at(1).sums.failure == 6);
  CHECK(lines->at(1).worst.result_type == "certificate-not-trusted");
  CHECK(newest_day(*store, Way::to_them, "b.example").value() == "2026-03-01");
  OverviewFilter filter;
  filter.domain = "b.example";
  filter.from = "2026-02-01";
  filter.to = "2026-03-01";
  const auto days = sums_of_days(*store, filter);
  REQUIRE(days->size() == 1);
  CHECK(days->front().sums.success == 1);
  CHECK(days->front().refused == 6);
  filter.day.clear();
  filter.to = "2026-02-28";
  CHECK(overview(*store, filter)->empty());
}
