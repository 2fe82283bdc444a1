// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/counting/overview.hpp"

#include <doctest.h>

#include "../../sqlite/failing_vfs.hpp"
#include "../sending/sending.hpp"
#include "tlsrpt/counting/certificates.hpp"

using namespace sealpost;
using namespace sealpost::tlsrpt;

namespace {

void count(Store& store, const std::string& day, const std::string& domain, const std::string& type,
           std::uint64_t success, std::uint64_t failure, const std::string& result = {}) {
  Tally tally;
  PolicyKey key;
  key.day = day;
  key.domain = domain;
  key.type = type;
  key.policy_domain = domain;
  PolicyTally& sum = tally[key];
  sum.success = success;
  sum.failure = failure;
  FailureDetail detail;
  detail.result_type = result;
  detail.mx_host = "mx." + domain;
  if (!result.empty()) sum.failures[detail] = failure;
  REQUIRE(store.add_folded(tally));
}

}  // namespace

TEST_CASE("the newest day first, in it the domain with most failures, each policy by itself") {
  const TemporaryDirectory dir;
  auto store = Store::open(dir.path() + "/tlsrpt.db");
  REQUIRE(store);
  count(*store, "2026-03-01", "old.example", "sts", 5, 0);
  count(*store, "2026-03-02", "fine.example", "sts", 100, 0);
  count(*store, "2026-03-02", "bad.example", "tlsa", 3, 0);
  count(*store, "2026-03-02", "bad.example", "sts", 1, 4, "certificate-expired");
  const auto lines = overview(*store, OverviewFilter());
  REQUIRE(lines);
  std::vector<std::string> seen;
  for (const auto& line : *lines) seen.push_back(line.day + " " + line.domain + " " + line.policy_type);
  CHECK(seen == std::vector<std::string>{"2026-03-02 bad.example sts", "2026-03-02 bad.example tlsa",
                                         "2026-03-02 fine.example sts", "2026-03-01 old.example sts"});
  CHECK(lines->front().worst.result_type == "certificate-expired");
  CHECK(lines->front().worst.mx_host == "mx.bad.example");
  CHECK(lines->back().worst.result_type.empty());

  OverviewFilter filter;
  filter.most = 2;
  CHECK(overview(*store, filter)->size() == 2);
  filter.domain = "fine.example";
  CHECK(overview(*store, filter)->size() == 1);
  filter.day = "2026-03-01";
  CHECK(overview(*store, filter)->empty());
  CHECK(newest_day(*store, Way::to_them, "old.example").value() == "2026-03-01");
  CHECK(newest_day(*store, Way::to_them, "none.example").value().empty());
}

TEST_CASE("the trend compares with the seven days before, no more and no fewer") {
  const TemporaryDirectory dir;
  auto store = Store::open(dir.path() + "/tlsrpt.db");
  count(*store, "2026-02-28", "b.example", "sts", 0, 1000);  // the eighth day back
  count(*store, "2026-03-01", "b.example", "sts", 90, 0);
  count(*store, "2026-03-07", "b.example", "sts", 8, 2);
  count(*store, "2026-03-08", "b.example", "sts", 5, 5);
  OverviewFilter filter;
  filter.day = "2026-03-08";
  const auto lines = overview(*store, filter);
  REQUIRE(lines->size() == 1);
  CHECK(lines->front().before.success == 98);
  CHECK(lines->front().before.failure == 2);
  CHECK(trend_of(lines->front().sums, lines->front().before) == Trend::worse);
}

TEST_CASE("trends are of shares, and a percentage point is noise") {
  const auto sums = [](std::uint64_t success, std::uint64_t failure) {
    Sums made;
    made.success = success;
    made.failure = failure;
    return made;
  };
  CHECK(trend_of(sums(1, 1), sums(0, 0)) == Trend::first);
  CHECK(trend_of(sums(100, 0), sums(7, 0)) == Trend::same);
  CHECK(trend_of(sums(995, 5), sums(100, 0)) == Trend::same);
  CHECK(trend_of(sums(9, 1), sums(100, 0)) == Trend::worse);
  CHECK(trend_of(sums(100, 0), sums(9, 1)) == Trend::better);
}

TEST_CASE("a host's certificate is kept with the end of its chain, and found for the words") {
  const TemporaryDirectory dir;
  auto store = Store::open(dir.path() + "/tlsrpt.db");
  const SystemTime noon{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + std::chrono::hours(12)};
  auto facts = std::make_shared<CertificateFacts>();
  facts->leaf_expires = noon + std::chrono::days(90);
  facts->chain_expires = noon + std::chrono::days(10);
  SessionRecord record;
  record.policy_domain = "b.example";
  record.mx_host = "mx.b.example";
  record.when = noon;
  record.facts.emplace();
  record.facts->tls.certificate = facts;
  SeenCertificates seen;
  note_certificate(seen, record);
  REQUIRE(Certificates(*store).keep(seen));
  CHECK(Certificates(*store).expiry("b.example", "mx.b.example").value() == noon + std::chrono::days(10));
  // Not trusted: nothing is known of a chain, the certificate's own end counts.
  facts->webpki.code = 18;
  note_certificate(seen, record);
  REQUIRE(Certificates(*store).keep(seen));
  CHECK(Certificates(*store).expiry("b.example", "mx.b.example").value() == noon + std::chrono::days(90));
  CHECK_FALSE(Certificates(*store).expiry("b.example", "other.b.example").value());
}

TEST_CASE("T-55 each read fails in its turn: an error or the whole answer, never a part of it") {
  const TemporaryDirectory dir;
  const std::string path = dir.path() + "/tlsrpt.db";
  {
    auto store = Store::open(path);
    REQUIRE(store);
    for (int day = 1; day <= 9; ++day)
      for (int i = 0; i < 40; ++i)
        count(*store, "2026-03-0" + std::to_string(day), "d" + std::to_string(i) + ".example", "sts", 10,
              1 + static_cast<unsigned>(i), "certificate-expired");
  }
  using sqlite::test::FailingVfs;
  sqlite3_vfs* const own = sqlite3_vfs_find(nullptr);
  sqlite3_vfs_register(sqlite3_vfs_find(FailingVfs::name()), 1);
  int failed = 0;
  for (int nth = 1; nth < 400; ++nth) {
    CAPTURE(nth);
    auto store = Store::open(path);
    REQUIRE(store);
    OverviewFilter filter;
    filter.day = "2026-03-09";
    FailingVfs::fail_from(nth, SQLITE_IOERR_READ, true);
    const auto lines = overview(*store, filter);
    const auto day = newest_day(*store, Way::to_them, "d7.example");
    const bool met = FailingVfs::calls() >= nth;
    FailingVfs::clear();
    if (!lines) ++failed;
    if (lines) {
      CHECK(lines->size() == 40);
      for (const auto& line : *lines)
        CHECK((line.worst.result_type == "certificate-expired" && line.before.success == 70));
    }
    CHECK((!day || *day == "2026-03-09"));
    if (!met) break;
  }
  CHECK(failed > 3);
  sqlite3_vfs_register(own, 1);
}
