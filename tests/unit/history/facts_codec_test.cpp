// SPDX-License-Identifier: Apache-2.0
#include "history/facts_codec.hpp"

#include <doctest.h>

#include <nlohmann/json.hpp>

#include "samples.hpp"
#include "sealpost/tlsa.hpp"

using namespace sealpost;
using namespace sealpost::history;
using Json = nlohmann::json;

namespace {

Facts rich_facts() {
  Facts facts = test::good_session().facts;
  facts.mx_secure = true;
  facts.flags.requiretls = true;
  facts.sts.kind = StsState::Kind::policy;
  facts.sts.id = "20260101";
  facts.sts.policy.emplace();
  facts.sts.policy->mode = StsMode::testing;
  facts.sts.policy->mx = {"mx.b.example", "*.mail.example"};
  facts.dane.kind = DaneState::Kind::usable;
  facts.dane.base_domain = "mx.b.example";
  facts.dane.usable = {TlsaRecord(3, 1, 1, std::vector<std::uint8_t>(32, 7)),
                       TlsaRecord(2, 0, 1, std::vector<std::uint8_t>(32, 9))};
  facts.dane.all = facts.dane.usable;
  facts.dane.all.emplace_back(1, 1, 1, std::vector<std::uint8_t>(3, 1));
  facts.dane.names = {"mx.b.example", "b.example"};
  return facts;
}

CertificateFacts rich_certificate() {
  CertificateFacts certificate = test::good_certificate("mx.b.example");
  certificate.common_name = "mx.b.example";
  certificate.webpki = ChainResult{10, 1, "X509_V_ERR_CERT_HAS_EXPIRED"};
  certificate.dane.emplace();
  certificate.dane->matched_usage = 3;
  certificate.dane->records_digest = std::string(64, 'c');
  return certificate;
}

}  // namespace

TEST_CASE("facts come back as they were, and equal facts give equal text") {
  const auto certificate = std::make_shared<const CertificateFacts>(rich_certificate());
  const Facts facts = rich_facts();
  const auto back = decode_facts(encode(facts), certificate);
  REQUIRE(back);
  CHECK(encode(*back) == encode(facts));
  CHECK(back->session->tls.certificate == certificate);
  CHECK(back->session->tls.version == TlsVersion::tls1_3);
  CHECK(back->sts.policy->mx == facts.sts.policy->mx);
  CHECK(tlsa_digest(back->dane.usable) == tlsa_digest(facts.dane.usable));
  CHECK(back->dane.all.size() == 3);
  CHECK(back->dane.names == facts.dane.names);
  CHECK(back->flags == facts.flags);

  const auto shown = decode_certificate(encode(*certificate));
  REQUIRE(shown);
  CHECK(encode(*shown) == encode(*certificate));
  CHECK(shown->chain_expires == certificate->chain_expires);
  CHECK(shown->webpki.token == "X509_V_ERR_CERT_HAS_EXPIRED");

  Facts turned = facts;  // the resolver turns the order of records
  std::swap(turned.dane.usable[0], turned.dane.usable[1]);
  CHECK(encode(turned) == encode(facts));
}

TEST_CASE("what differs from session to session without a meaning is not a fact") {
  Facts facts = rich_facts();
  facts.session->starttls = StartTls::refused;
  facts.session->starttls_reply = "454 4.7.0 TLS not available, ticket 8162";
  const std::string text = encode(facts);
  facts.session->starttls_reply = "454 4.7.0 TLS not available, ticket 8163";
  facts.session->tls.resumed = true;
  facts.sts.expires += std::chrono::days(1);
  CHECK(encode(facts) == text);
  struct Row {
    const char *reply, *stable;
  };
  const Row rows[] = {
      {"454 4.7.0 no", "454 4.7.0"}, {"501", "501"}, {"454 TLS gone", "454"}, {"", ""}, {"45466 x", "454"},
      {"502 5.5.1", "502 5.5.1"}};
  for (const Row& row : rows) CHECK(stable_reply(row.reply) == row.stable);
}

TEST_CASE("T-54 stored facts that do not fit are refused") {
  struct Row {
    const char* path;
    Json value;
  };
  const Row rows[] = {
      {"/mx_secure", 1},
      {"/flags", Json::array()},
      {"/flags/requiretls", "yes"},
      {"/sts/kind", "sometimes"},
      {"/sts/mode", "strict"},
      {"/sts/mx", "mx.b.example"},
      {"/sts/mx", Json::array({1, 2})},
      {"/sts/id", std::string(5000, 'x')},
      {"/dane/kind", 3},
      {"/dane/usable", Json::array({"3 1 1"})},
      {"/dane/usable", Json::array({"3 1 1 XY"})},
      {"/dane/usable", Json::array({"300 1 1 00"})},
      {"/dane/names", Json(std::vector<std::string>(3000, "x"))},
      {"/session", "established"},
      {"/session/starttls", "maybe"},
      {"/session/version", 7},
      {"/session/version", 1e9},
      {"/session/cipher", nullptr},
  };
  const Json good = Json::parse(encode(rich_facts()));
  REQUIRE(decode_facts(good.dump(), nullptr));
  for (const Row& row : rows) {
    CAPTURE(row.path);
    Json bad = good;
    bad[Json::json_pointer(row.path)] = row.value;
    CHECK_FALSE(decode_facts(bad.dump(), nullptr));
    Json without = good;
    without[Json::json_pointer(row.path).parent_pointer()].erase(Json::json_pointer(row.path).back());
    if (std::string(row.path) != "/session") CHECK_FALSE(decode_facts(without.dump(), nullptr));
  }
  for (const char* text : {"", "{", "[]", "null", "{}", "\"x\""}) {
    CHECK_FALSE(decode_facts(text, nullptr));
    CHECK_FALSE(decode_certificate(text));
  }
}

TEST_CASE("T-54 a stored certificate that does not fit is refused") {
  struct Row {
    const char* path;
    Json value;
  };
  const Row rows[] = {
      {"/subject", 1},
      {"/names", "x"},
      {"/not_before", "2026"},
      {"/leaf_expires", 1e30},
      {"/chain_expires", 18446744073709551615ULL},
      {"/sha256", "zz"},
      {"/spki_sha256", "abc"},
      {"/webpki", 0},
      {"/webpki/code", -1},
      {"/dane/usage", 256},
      {"/dane/expired", "no"},
  };
  const Json good = Json::parse(encode(rich_certificate()));
  REQUIRE(decode_certificate(good.dump()));
  for (const Row& row : rows) {
    CAPTURE(row.path);
    Json bad = good;
    bad[Json::json_pointer(row.path)] = row.value;
    CHECK_FALSE(decode_certificate(bad.dump()));
  }
}
