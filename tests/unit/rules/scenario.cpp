// SPDX-License-Identifier: Apache-2.0
#include "scenario.hpp"

#include <algorithm>
#include <stdexcept>

namespace sealpost::test {
namespace {

using namespace std::chrono_literals;

[[noreturn]] void unknown(const Row& row, const std::string& word) {
  throw std::runtime_error(row.place() + ": unknown word '" + word + "'");
}

bool take_prefix(std::string& word, std::string_view prefix) {
  if (!word.starts_with(prefix)) return false;
  word.erase(0, prefix.size());
  return true;
}

std::string key_of(const std::string& name) { return "key-" + name; }  // stands for 64 hex digits

PartnerLevel level_of(const Row& row, const std::string& word) {
  for (const auto level : {PartnerLevel::none, PartnerLevel::opportunistic, PartnerLevel::encrypt,
                           PartnerLevel::verify, PartnerLevel::dane, PartnerLevel::pin})
    if (name_of(level) == word) return level;
  unknown(row, word);
}

// "verify mx 1.3 audit allow=*.b.test pins=K1,K2 except=encrypt except-over=encrypt": level first.
//   mx | domain | name=HOST   what the certificate must name
//   1.3                       minimum version
//   audit                     observe only
//   allow=PATTERN             mx of the rule
//   except=LEVEL              an exception until tomorrow; except-over= one that ended a second ago
std::optional<PartnerRule> partner_of(const Row& row) {
  auto words = words_of(row.get("partner"));
  if (words.empty()) return std::nullopt;
  PartnerRule rule;
  rule.name = "Rule";
  rule.hash = "rule-hash";
  rule.domains = {"b.test"};
  rule.level = level_of(row, words.front());
  words.erase(words.begin());
  for (std::string word : words) {
    if (word == "mx")
      rule.names = PartnerRule::Names::mx;
    else if (word == "domain")
      rule.names = PartnerRule::Names::domain;
    else if (word == "1.3")
      rule.minimum = TlsVersion::tls1_3;
    else if (word == "audit")
      rule.audit = true;
    else if (take_prefix(word, "name="))
      rule.names = PartnerRule::Names::literal, rule.literal_names.push_back(word);
    else if (take_prefix(word, "allow="))
      rule.mx.push_back(word);
    else if (take_prefix(word, "pins="))
      for (const auto& key : parts_of(word, ",")) rule.pins.push_back(key_of(key));
    else if (take_prefix(word, "except="))
      rule.exceptions.push_back({scenario_now + 24h, level_of(row, word), "renewal", "ciso"});
    else if (take_prefix(word, "except-over="))
      rule.exceptions.push_back({scenario_now - 1s, level_of(row, word), "renewal", "ciso"});
    else
      unknown(row, word);
  }
  return rule;
}

// "enforce allow=*.b.test", "testing", "none" (policy in mode none), "off", "fetch-failed"; nothing: no record.
// The policy allows mx1.b.test unless it says otherwise.
StsState sts_of(const Row& row) {
  StsState state;
  const auto words = words_of(row.get("sts"));
  if (words.empty()) return state;
  const std::string& kind = words.front();
  if (kind == "off") {
    state.kind = StsState::Kind::disabled;
    return state;
  }
  state.id = "20260101";
  if (kind == "fetch-failed") {
    state.kind = StsState::Kind::fetch_failed;
    state.failure_type = "sts-policy-fetch-error";
    return state;
  }
  state.kind = StsState::Kind::policy;
  state.expires = scenario_now + 24h;
  MtaStsPolicy policy;
  if (kind == "enforce")
    policy.mode = StsMode::enforce;
  else if (kind == "testing")
    policy.mode = StsMode::testing;
  else if (kind == "none")
    policy.mode = StsMode::none;
  else
    unknown(row, kind);
  for (std::size_t i = 1; i < words.size(); ++i) {
    std::string word = words[i];
    if (word == "refresh-fails")
      state.failure_type = "sts-policy-fetch-error", state.failure_reason = "http-status-404";
    else if (take_prefix(word, "allow="))
      policy.mx.push_back(word);
    else
      unknown(row, word);
  }
  if (policy.mx.empty()) policy.mx.push_back("mx1.b.test");
  state.policy = policy;
  return state;
}

// "3 1 1 ee, 2 0 1 ta" (usable ones), "unusable", "failed", "off"; nothing: none. "names=a.test,b.test" for usage 2.
DaneState dane_of(const Row& row) {
  DaneState state;
  const std::string& cell = row.get("dane");
  state.base_domain = "mx1.b.test";
  state.names = {"mx1.b.test"};
  if (cell.empty()) return state;
  if (cell == "off") {
    state.kind = DaneState::Kind::disabled;
  } else if (cell == "failed") {
    state.kind = DaneState::Kind::failed;
    state.failure_reason = "SERVFAIL";
  } else {
    std::string records = cell;
    if (const std::size_t at = cell.find(" names="); at != cell.npos) {
      state.names = parts_of(cell.substr(at + 7), ",");
      records = cell.substr(0, at);
    }
    state.all = records_of(records);
    std::copy_if(state.all.begin(), state.all.end(), std::back_inserter(state.usable), usable_for_smtp);
    state.kind = state.usable.empty() ? DaneState::Kind::unusable : DaneState::Kind::usable;
  }
  return state;
}

void read_flags(const Row& row, DecisionFacts& facts) {
  for (const std::string& word : words_of(row.get("flags"))) {
    if (word == "requiretls")
      facts.flags.requiretls = true;
    else if (word == "tls-required-no")
      facts.flags.tls_required_no = true;
    else if (word == "tls-encrypt")
      facts.flags.tls_need = TlsNeed::encrypt;
    else if (word == "tls-verify")
      facts.flags.tls_need = TlsNeed::verify;
    else if (word == "bounce")
      facts.null_reverse_path = true;
    else if (word == "dane-satisfies-sts")
      facts.dane_satisfies_sts = true;
    else if (word == "mx-signed")
      facts.mx_secure = true;
    else
      unknown(row, word);
  }
}

ChainResult failed_chain(std::string token) {
  ChainResult result;
  result.code = 1;
  result.token = "X509_V_ERR_" + std::move(token);
  return result;
}

struct CertificateWords {
  CertificateFacts facts;
  bool shown = true;
};

// What the certificate is like: see session_of().
bool read_certificate_word(const Row& row, std::string word, CertificateWords& certificate,
                           const DecisionFacts& facts) {
  CertificateFacts& c = certificate.facts;
  const auto dane = [&]() -> DaneChain& {
    if (!c.dane) c.dane.emplace().records_digest = tlsa_digest(facts.dane.usable);
    return *c.dane;
  };
  if (word == "anonymous")
    certificate.shown = false;
  else if (word == "expired")
    c.webpki = failed_chain("CERT_HAS_EXPIRED"), c.leaf_expires = c.chain_expires = scenario_now - 24h;
  else if (word == "self-signed")
    c.webpki = failed_chain("DEPTH_ZERO_SELF_SIGNED_CERT");
  else if (word == "unknown-ca")
    c.webpki = failed_chain("UNABLE_TO_GET_ISSUER_CERT_LOCALLY");
  else if (take_prefix(word, "webpki="))
    c.webpki = failed_chain(word);
  else if (word == "expired-since")
    c.leaf_expires = c.chain_expires = scenario_now;
  else if (word == "chain-expired-since")
    c.chain_expires = scenario_now;
  else if (word == "one-second-left")
    c.leaf_expires = c.chain_expires = scenario_now + 1s;
  else if (take_prefix(word, "names="))
    c.dns_names = parts_of(word, ",");
  else if (take_prefix(word, "cn="))
    c.dns_names.clear(), c.common_name = word;
  else if (take_prefix(word, "key="))
    c.spki_sha256 = key_of(word);
  else if (take_prefix(word, "tlsa=")) {
    if (word == "ee")
      dane().matched_usage = 3;
    else if (word == "ta")
      dane().matched_usage = 2;
    else if (word == "other-records")
      dane().matched_usage = 3, dane().records_digest = "of other records";
    else if (word == "expired")
      dane().chain = failed_chain("CERT_HAS_EXPIRED"), dane().expired = true,
      c.leaf_expires = scenario_now - 24h;
    else if (word == "none")
      dane().chain = failed_chain("DANE_NO_MATCH");
    else
      dane().chain = failed_chain(word);
  } else
    return false;
  (void)row;
  return true;
}

}  // namespace

// Usage, selector, matching type, data; data by name: "ee" and "ta" are digests of the right length for the matching
// type, "N octets" that many.
std::vector<TlsaRecord> records_of(std::string_view cell) {
  std::vector<TlsaRecord> records;
  for (const std::string& part : parts_of(cell, ", ")) {
    const auto words = words_of(part);
    if (words.size() < 4) throw std::runtime_error("a TLSA record is: usage selector matching data");
    const auto number = [&](std::size_t i) { return static_cast<std::uint8_t>(std::stoi(words.at(i))); };
    const std::uint8_t matching = number(2);
    std::size_t length = matching == 1 ? 32 : matching == 2 ? 64 : 300;
    if (words.size() == 5 && words[4] == "octets") length = static_cast<std::size_t>(std::stoi(words[3]));
    records.emplace_back(number(0), number(1), matching,
                         std::vector<std::uint8_t>(length, static_cast<std::uint8_t>(words[3].front())));
  }
  return records;
}

DecisionFacts facts_of(const Row& row) {
  DecisionFacts facts;
  facts.policy_domain = "b.test";
  facts.mx_host = "mx1.b.test";
  facts.partner = partner_of(row);
  facts.sts = sts_of(row);
  facts.dane = dane_of(row);
  read_flags(row, facts);
  facts.dane.mx_secure = facts.mx_secure;
  facts.now = scenario_now;
  return facts;
}

// "clear" (no STARTTLS offered) | "refused=454" | "broken=REASON" (handshake failed) | "untried", or a TLS session, by
// default TLS 1.3 with a certificate of a trusted CA that names mx1.b.test and has key K1; every word changes one thing:
//   1.2 1.1                              protocol version
//   suite=NAME legacy-renegotiation      TLS 1.2 with that suite; without RFC 5746
//   anonymous expired self-signed unknown-ca webpki=CODE expired-since chain-expired-since one-second-left
//   names=A,B  cn=A (no DNS names)  key=K2
//   tlsa=ee | ta | none | expired | CODE  what the check against the TLSA records found; other-records: it was made
//                                        against others; without the word it was not made
//   requiretls                           offered inside TLS
//   resumed                              facts kept from an earlier handshake
SessionFacts session_of(const Row& row, const DecisionFacts& facts) {
  SessionFacts session;
  session.mx_host = facts.mx_host;
  session.starttls = StartTls::established;
  session.tls.version = TlsVersion::tls1_3;
  session.tls.cipher = "TLS_AES_256_GCM_SHA384";
  CertificateWords certificate;
  certificate.facts.dns_names = {"mx1.b.test"};
  certificate.facts.spki_sha256 = key_of("K1");
  certificate.facts.not_before = scenario_now - 24h;
  certificate.facts.leaf_expires = certificate.facts.chain_expires = scenario_now + 24h;
  for (std::string word : words_of(row["session"])) {
    if (word == "clear")
      session.starttls = StartTls::not_offered;
    else if (word == "untried")
      session.starttls = StartTls::not_tried;
    else if (take_prefix(word, "refused="))
      session.starttls = StartTls::refused, session.starttls_reply = word + " no TLS now";
    else if (take_prefix(word, "broken="))
      session.starttls = StartTls::handshake_failed, session.handshake_error = word;
    else if (word == "1.2")
      session.tls.version = TlsVersion::tls1_2, session.tls.cipher = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    else if (word == "1.1")
      session.tls.version = TlsVersion::tls1_1, session.tls.cipher = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA";
    else if (take_prefix(word, "suite="))
      session.tls.version = TlsVersion::tls1_2, session.tls.cipher = word;
    else if (word == "legacy-renegotiation")
      session.tls.legacy_renegotiation = true;
    else if (word == "requiretls")
      session.offers_requiretls = true;
    else if (word == "resumed")
      session.tls.resumed = true;
    else if (word != "good" && !read_certificate_word(row, word, certificate, facts))
      unknown(row, word);
  }
  if (session.starttls != StartTls::established)
    session.tls = HandshakeFacts();
  else if (certificate.shown)
    session.tls.certificate = std::make_shared<const CertificateFacts>(certificate.facts);
  return session;
}

Outcome outcome_of(const DecisionFacts& facts, const SessionFacts& session) {
  const Decision decision = decide(facts);
  const Judgement judgement = judge(decision.requirement, session, facts.now);
  Outcome out;
  if (decision.skip) {
    out.outcome = "skip";
    out.results = std::string(name_of(decision.skip->source)) + " " + decision.skip->result_type;
    out.code = decision.skip->status;
    return out;
  }
  switch (judgement.verdict) {
    case Verdict::deliver: out.outcome = "deliver"; break;
    case Verdict::deliver_and_report: out.outcome = "report"; break;
    case Verdict::refuse: out.outcome = "refuse"; break;
  }
  for (const DemandResult& result : judgement.results) {
    if (!out.results.empty()) out.results += "; ";
    std::string words = std::string(name_of(result.source)) + " ";
    for (const DemandFailure& failure : result.failures)
      words += (&failure == &result.failures.front() ? "" : "+") + failure.result_type;
    if (result.satisfied()) words += "ok";
    out.results += result.force == Force::enforce ? words : "(" + words + ")";
  }
  if (const DemandResult* decisive = judgement.decisive()) {
    const auto blocks = [](const DemandFailure& failure) { return !failure.report_only; };
    out.code = std::find_if(decisive->failures.begin(), decisive->failures.end(), blocks)->status;
  }
  return out;
}

}  // namespace sealpost::test
