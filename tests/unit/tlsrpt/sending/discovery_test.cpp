// SPDX-License-Identifier: Apache-2.0
#include <doctest.h>

#include "tlsrpt/sending/discovery.hpp"

using namespace sealpost;
using Kind = TlsRptRecordSet::Kind;

TEST_CASE("RPT-01 the record's grammar (RFC 8460 §3)") {
  const struct {
    const char* record;
    Kind kind;
    std::size_t targets;
  } rows[] = {
      {"v=TLSRPTv1; rua=mailto:r@b.example", Kind::valid, 1},
      {"v=TLSRPTv1;rua=mailto:r@b.example;", Kind::valid, 1},
      {"v=TLSRPTv1 ; rua=mailto:r@b.example ;", Kind::valid, 1},
      {"v=TLSRPTv1;\trua=https://r.b.example/v1/tls", Kind::valid, 1},
      {"v=TLSRPTv1; rua=mailto:r@b.example, https://r.b.example/x", Kind::valid, 2},
      {"v=TLSRPTv1; rua=mailto:r@b.example; rua=mailto:s@b.example", Kind::valid, 2},
      {"v=TLSRPTv1; rua=mailto:r@b.example,mailto:r@b.example", Kind::valid, 1},
      {"v=TLSRPTv1; x-new=1; rua=mailto:r@b.example", Kind::valid, 1},
      {"v=TLSRPTv1; rua=MAILTO:r@b.example", Kind::valid, 1},
      {"v=TLSRPTv1; rua=ftp://b.example/", Kind::valid, 0},
      {"v=TLSRPTv1", Kind::none, 0},
      {"v=TLSRPTv10; rua=mailto:r@b.example", Kind::none, 0},
      {"V=TLSRPTv1; rua=mailto:r@b.example", Kind::none, 0},
      {" v=TLSRPTv1; rua=mailto:r@b.example", Kind::none, 0},
      {"v=TLSRPTv1;", Kind::invalid, 0},
      {"v=TLSRPTv1; x=1", Kind::invalid, 0},
      {"v=TLSRPTv1;; rua=mailto:r@b.example", Kind::invalid, 0},
      {"v=TLSRPTv1; rua", Kind::invalid, 0},
      {"v=TLSRPTv1; rua=", Kind::invalid, 0},
      {"v=TLSRPTv1; x=a b; rua=mailto:r@b.example", Kind::invalid, 0},
  };
  for (const auto& row : rows) {
    CAPTURE(row.record);
    const auto set = parse_tls_rpt_records({row.record});
    CHECK(set.kind == row.kind);
    CHECK(set.targets.size() == row.targets);
  }
}

TEST_CASE("R1 exactly one record; others at the name do not count") {
  CHECK(parse_tls_rpt_records({"hello", "v=TLSRPTv1;rua=mailto:r@b.example"}).kind == Kind::valid);
  CHECK(parse_tls_rpt_records({"v=TLSRPTv1;rua=mailto:r@b.example", "v=TLSRPTv1;rua=mailto:r@b.example"})
            .kind == Kind::invalid);
  CHECK(parse_tls_rpt_records({}).kind == Kind::none);
}

TEST_CASE("R2 mailto: percent-decoding, header fields dropped, nothing that could be injected (T-23)") {
  const auto one = [](const std::string& uri) { return parse_tls_rpt_records({"v=TLSRPTv1;rua=" + uri}); };
  CHECK(one("mailto:a%2Cb@b.example").passed_over.size() == 1);  // a comma needs quotes in an address
  CHECK(one("mailto:%61b@b.example").targets.at(0).address == "ab@b.example");
  CHECK(one("mailto:r@b.example?subject=x").targets.at(0).address == "r@b.example");
  CHECK(one("mailto:r@b.example%0D%0ARCPT").targets.empty());
  CHECK(one("mailto:r%00@b.example").targets.empty());
  CHECK(one("mailto:r%ff@b.example").targets.empty());
  CHECK(one("mailto:r%4").targets.empty());
  CHECK(one("mailto:").targets.empty());
}

TEST_CASE("T-20 https: port 443, no user, a host name and no address") {
  const auto one = [](const std::string& uri) { return parse_tls_rpt_records({"v=TLSRPTv1;rua=" + uri}); };
  const auto good = one("https://R.b.example/v1?x=1");
  REQUIRE(good.targets.size() == 1);
  CHECK(good.targets[0].host == "r.b.example");
  CHECK(good.targets[0].path == "/v1?x=1");
  CHECK(one("https://r.b.example").targets.at(0).path == "/");
  CHECK(one("https://r.b.example:443/").targets.size() == 1);
  CHECK(one("https://r.b.example:8443/").targets.empty());
  CHECK(one("https://user@r.b.example/").targets.empty());
  CHECK(one("https://127.0.0.1/").targets.empty());
  CHECK(one("https://[::1]/").targets.empty());
  CHECK(one("https://localhost/").targets.empty());
  CHECK(one("http://r.b.example/").targets.empty());
}
