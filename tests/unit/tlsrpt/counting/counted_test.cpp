// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/counting/counted.hpp"

#include <doctest.h>

using namespace sealpost;
using namespace sealpost::tlsrpt;
using namespace std::chrono_literals;

namespace {

const SystemTime noon{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + 12h};

SessionRecord session(StartTls starttls) {
  SessionRecord record;
  record.when = noon;
  record.policy_domain = "b.example";
  record.mx_host = "mx.b.example";
  record.receiving_ip = IpAddress::parse("192.0.2.1");
  record.facts.emplace();
  record.facts->mx_host = "mx.b.example";
  record.facts->starttls = starttls;
  return record;
}

void with_sts(SessionRecord& record, StsMode mode, bool satisfied) {
  record.sts.kind = StsState::Kind::policy;
  record.sts.id = "1";
  record.sts.policy.emplace();
  record.sts.policy->mode = mode;
  record.sts.policy->mx = {"*.b.example"};
  record.sts.policy->lines = {"version: STSv1", "mode: enforce", "mx: *.b.example"};
  DemandResult result;
  result.source = Source::mta_sts;
  if (!satisfied)
    result.failures.push_back({"certificate-expired", "X509_V_ERR_CERT_HAS_EXPIRED", "4.7.5", "expired"});
  record.judgement.results.push_back(result);
}

void with_dane(SessionRecord& record, bool satisfied) {
  record.dane.kind = DaneState::Kind::usable;
  record.dane.base_domain = "mx.b.example";
  record.dane.all = {TlsaRecord(3, 1, 1, {0xab, 0xcd})};
  DemandResult result;
  result.source = Source::dane;
  if (!satisfied) result.failures.push_back({"tlsa-invalid", "no-tlsa-record-matched", "4.7.5", "no match"});
  record.judgement.results.push_back(result);
}

}  // namespace

TEST_CASE("no policy: encrypted is a success, clear is starttls-not-supported") {
  auto entries = count_session(session(StartTls::established));
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].key.type == "no-policy-found");
  CHECK(entries[0].key.day == "2026-03-01");
  CHECK(entries[0].success);
  CHECK(entries[0].failures.empty());

  entries = count_session(session(StartTls::not_offered));
  REQUIRE(entries.size() == 1);
  CHECK_FALSE(entries[0].success);
  REQUIRE(entries[0].failures.size() == 1);
  CHECK(entries[0].failures[0].result_type == "starttls-not-supported");
  CHECK(entries[0].failures[0].reason_code == "starttls-not-offered");

  auto failed = session(StartTls::handshake_failed);
  failed.facts->handshake_error = "tlsv1-alert-protocol-version";
  entries = count_session(failed);
  CHECK(entries[0].failures[0].result_type == "validation-failure");
  CHECK(entries[0].failures[0].reason_code == "tlsv1-alert-protocol-version");
}

TEST_CASE("RPT-05 STS and DANE give an entry each, and no-policy-found only without both") {
  auto record = session(StartTls::established);
  with_sts(record, StsMode::enforce, true);
  with_dane(record, false);
  const auto entries = count_session(record);
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].key.type == "sts");
  CHECK(entries[0].success);
  CHECK(entries[0].key.mx_hosts == std::vector<std::string>{"*.b.example"});
  CHECK(entries[1].key.type == "tlsa");
  CHECK_FALSE(entries[1].success);
  CHECK(entries[1].key.policy_string == std::vector<std::string>{"3 1 1 ABCD"});
  CHECK(entries[1].failures.size() == 1);
}

TEST_CASE("RPT-04 testing mode counts what enforce would refuse; mode none counts as no policy") {
  auto testing = session(StartTls::established);
  with_sts(testing, StsMode::testing, false);
  auto entries = count_session(testing);
  REQUIRE(entries.size() == 1);
  CHECK_FALSE(entries[0].success);
  CHECK(entries[0].failures[0].result_type == "certificate-expired");

  auto none = session(StartTls::established);
  with_sts(none, StsMode::none, false);
  entries = count_session(none);
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].key.type == "no-policy-found");
}

TEST_CASE("R10 a failed fetch adds its detail; a session that was encrypted stays a success") {
  auto record = session(StartTls::established);
  record.sts.kind = StsState::Kind::fetch_failed;
  record.sts.id = "7";
  record.sts.failure_type = "sts-policy-fetch-error";
  record.sts.failure_reason = "http-status-404";
  const auto entries = count_session(record);
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].key.type == "sts");
  CHECK(entries[0].key.policy_string.empty());
  CHECK(entries[0].success);
  REQUIRE(entries[0].failures.size() == 1);
  CHECK(entries[0].failures[0].result_type == "sts-policy-fetch-error");
  CHECK(entries[0].failures[0].receiving_ip.empty());
}

TEST_CASE("a host skipped because of its TLSA lookup is a failure of that policy") {
  auto record = session(StartTls::established);
  record.facts.reset();
  record.dane.kind = DaneState::Kind::failed;
  record.dane.base_domain = "mx.b.example";
  record.skip.emplace();
  record.skip->source = Source::dane;
  record.skip->result_type = "dnssec-invalid";
  record.skip->reason_code = "SERVFAIL";
  const auto entries = count_session(record);
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].key.type == "tlsa");
  CHECK_FALSE(entries[0].success);
  CHECK(entries[0].failures[0].result_type == "dnssec-invalid");
}

TEST_CASE("an operator's own rule that keeps us away is nobody's TLS failure") {
  auto record = session(StartTls::established);
  record.facts.reset();
  record.skip.emplace();
  record.skip->source = Source::partner;
  CHECK(count_session(record).empty());
}

TEST_CASE("RPT-04 dane-required: a partner rule demands DANE where none is published, or none that counts") {
  auto record = session(StartTls::established);
  record.facts.reset();
  record.skip.emplace();
  record.skip->source = Source::partner;
  record.skip->result_type = "dane-required";
  record.skip->reason_code = "no-secure-tlsa";
  const auto check = [&](std::vector<std::string> policy) {
    const auto entries = count_session(record);
    REQUIRE(entries.size() == 1);
    CHECK(entries[0].key.type == "tlsa");
    CHECK(entries[0].key.policy_domain == "mx.b.example");
    CHECK(entries[0].key.policy_string == policy);
    CHECK(entries[0].session);
    CHECK_FALSE(entries[0].success);
    REQUIRE(entries[0].failures.size() == 1);
    CHECK(entries[0].failures[0].result_type == "dane-required");
    CHECK(entries[0].failures[0].reason_code == "no-secure-tlsa");
  };
  check({});
  record.dane.kind = DaneState::Kind::unusable;
  record.dane.base_domain = "mx.b.example";
  record.dane.all = {TlsaRecord(0, 0, 1, {0xab, 0xcd})};
  check({"0 0 1 ABCD"});
}

TEST_CASE("RPT-04 a failed TLSA lookup is the recipient's failure also where a partner rule met it first") {
  auto record = session(StartTls::established);
  record.facts.reset();
  record.dane.kind = DaneState::Kind::failed;
  record.skip.emplace();
  record.skip->source = Source::partner;
  record.skip->result_type = "dnssec-invalid";
  const auto entries = count_session(record);
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].key.policy_domain == "mx.b.example");
  CHECK(entries[0].failures[0].result_type == "dnssec-invalid");
}

TEST_CASE("RPT-03 the day is the UTC day of the handshake's end") {
  auto record = session(StartTls::established);
  record.when = SystemTime{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + 24h - 1s};
  CHECK(count_session(record)[0].key.day == "2026-03-01");
  record.when += 1s;
  CHECK(count_session(record)[0].key.day == "2026-03-02");
}
