// SPDX-License-Identifier: Apache-2.0
#include "sealpost/mta_sts.hpp"

#include <doctest.h>

#include "table.hpp"

using namespace sealpost;
using namespace sealpost::test;

namespace {

std::string_view name_of(StsRecordSet::Kind kind) {
  switch (kind) {
    case StsRecordSet::Kind::none: return "none";
    case StsRecordSet::Kind::valid: return "valid";
    case StsRecordSet::Kind::invalid: return "invalid";
  }
  return "";
}

std::string meaning_of(const MtaStsPolicy& policy) {
  std::string out =
      std::string(sealpost::name_of(policy.mode)) + " " + std::to_string(policy.max_age.count());
  for (const auto& mx : policy.mx) out += " " + mx;
  return out;
}

}  // namespace

TEST_CASE("STS-01 STS-02 STS-03 TXT records") {
  for (const Row& row : read_table("sts_record.tsv")) {
    CAPTURE(row.place());
    CAPTURE(row["case"]);
    const StsRecordSet set = parse_sts_records(parts_of(row["records"], " || "));
    CHECK(name_of(set.kind) == row["outcome"]);
    CHECK(set.record.id == row["id"]);
    CHECK(set.why.empty() == (set.kind != StsRecordSet::Kind::invalid));
  }
}

TEST_CASE("STS-04 STS-05 STS-06 STS-07 T-13 policy files") {
  for (const Row& row : read_table("sts_policy.tsv")) {
    CAPTURE(row.place());
    CAPTURE(row["case"]);
    const auto policy = parse_sts_policy(row["policy"]);
    REQUIRE(policy.has_value() == (row["outcome"] == "valid"));
    if (policy) {
      CHECK(meaning_of(*policy) == row["meaning"]);
    } else {
      CHECK(policy.error().code == Errc::invalid);
      CHECK(policy.error().detail.substr(0, policy.error().detail.find(':')) == row["meaning"]);
    }
  }
}

TEST_CASE("STS-08 mx patterns") {
  for (const Row& row : read_table("sts_mx.tsv")) {
    CAPTURE(row.place());
    CAPTURE(row["case"]);
    CHECK(mx_matches(row["pattern"], row["mx host"]) == (row["matches"] == "yes"));
  }
}

TEST_CASE("a policy keeps its lines for TLS-RPT (RFC 8460 §4.4)") {
  const auto policy = parse_sts_policy("version: STSv1\r\nmode: enforce\n\nmx: A.test \r\nx: y\nmax_age: 1");
  REQUIRE(policy.has_value());
  CHECK(policy->lines ==
        std::vector<std::string>{"version: STSv1", "mode: enforce", "", "mx: A.test ", "x: y", "max_age: 1"});
}

TEST_CASE("T-19 a policy over 64 KiB is no policy, one of just that size is") {
  std::string body = "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 1\n";
  while (body.size() + 10 <= sts_body_cap) body += "x: 345678\n";
  CHECK(body.size() <= sts_body_cap);
  CHECK(parse_sts_policy(body).has_value());
  body.append(sts_body_cap + 1 - body.size(), 'x');
  const auto too_large = parse_sts_policy(body);
  REQUIRE_FALSE(too_large.has_value());
  CHECK(too_large.error().detail.starts_with("policy-too-large"));
}

TEST_CASE("errors name the line") {
  const auto bad = parse_sts_policy("version: STSv1\n\nmode: Enforce\n");
  REQUIRE_FALSE(bad.has_value());
  CHECK(bad.error().detail == "bad-mode: line 3: the mode is none of enforce, testing, none");
}
