// SPDX-License-Identifier: Apache-2.0
#include "history/facts_codec.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "history/json_reader.hpp"

namespace sealpost::history {
namespace {

using Json = nlohmann::json;
constexpr std::size_t most_word = 512, most_names = 2000, most_records = 200, most_patterns = 200;

// The words of each enumeration, in its order.
constexpr std::array sts_kinds{"disabled", "none", "fetch-failed", "policy", "unknown"};
constexpr std::array sts_modes{"none", "testing", "enforce"};
constexpr std::array dane_kinds{"disabled", "none", "usable", "unusable", "failed"};
constexpr std::array starttls_words{"not-offered", "refused", "handshake-failed", "established", "not-tried"};

template <class Enum, std::size_t N>
const char* word_of(const std::array<const char*, N>& words, Enum value) {
  return words.at(static_cast<std::size_t>(value));
}

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json records_json(const std::vector<TlsaRecord>& records) {
  std::vector<std::string> texts;
  for (const TlsaRecord& record : records) texts.push_back(to_text(record));
  std::sort(texts.begin(), texts.end());  // a set: the resolver turns the order
  return texts;
}

Json chain_json(const ChainResult& chain) {
  return {{"code", chain.code}, {"depth", chain.depth}, {"token", chain.token}};
}

std::optional<TlsaRecord> record_from(std::string_view text) {
  const auto parts = text::split(text, ' ');
  if (parts.size() != 4) return std::nullopt;
  TlsaRecord record;
  std::uint8_t* fields[] = {&record.usage, &record.selector, &record.matching};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto number = text::parse_u64(parts[i]);
    if (!number || *number > 255) return std::nullopt;
    *fields[i] = static_cast<std::uint8_t>(*number);
  }
  auto data = text::from_hex(parts[3]);
  if (!data) return std::nullopt;
  record.data = std::move(*data);
  return record;
}

std::vector<TlsaRecord> read_records(JsonReader& reader, const char* key) {
  std::vector<TlsaRecord> records;
  for (const std::string& text : reader.texts(key, most_records, most_text)) {
    auto record = record_from(text);
    if (record)
      records.push_back(std::move(*record));
    else
      reader.refuse();
  }
  return records;
}

ChainResult read_chain(JsonReader reader) {
  ChainResult chain;
  chain.code = static_cast<int>(reader.number("code", 0, 10'000));
  chain.depth = static_cast<int>(reader.number("depth", -1, 1000));
  chain.token = reader.text("token", most_word);
  return chain;
}

StsState read_sts(JsonReader reader) {
  StsState state;
  state.kind = reader.choice<StsState::Kind>("kind", sts_kinds);
  state.id = reader.text("id", most_word);
  state.failure_type = reader.text("failure_type", most_word);
  state.failure_reason = reader.text("failure_reason", most_word);
  if (state.kind == StsState::Kind::policy) {
    MtaStsPolicy policy;
    policy.mode = reader.choice<StsMode>("mode", sts_modes);
    policy.mx = reader.texts("mx", most_patterns, most_word);
    state.policy = std::move(policy);
  }
  return state;
}

DaneState read_dane(JsonReader reader, bool mx_secure) {
  DaneState state;
  state.kind = reader.choice<DaneState::Kind>("kind", dane_kinds);
  state.base_domain = reader.text("base_domain", most_word);
  state.failure_reason = reader.text("failure_reason", most_word);
  state.usable = read_records(reader, "usable");
  state.all = read_records(reader, "all");
  state.names = reader.texts("names", most_names, most_word);
  state.mx_secure = mx_secure;
  return state;
}

SessionFacts read_session(JsonReader reader, std::shared_ptr<const CertificateFacts> certificate) {
  SessionFacts session;
  session.starttls = reader.choice<StartTls>("starttls", starttls_words);
  session.starttls_reply = reader.text("reply", most_word);
  session.handshake_error = reader.text("error", most_word);
  session.offers_requiretls = reader.flag("requiretls");
  const auto version = static_cast<TlsVersion>(reader.number("version", 0, 0x0304));
  if (name_of(version) == "unknown") reader.refuse();
  session.tls.version = version;
  session.tls.cipher = reader.text("cipher", most_word);
  session.tls.group = reader.text("group", most_word);
  if (reader.has("legacy_renegotiation"))
    session.tls.legacy_renegotiation = reader.flag("legacy_renegotiation");
  session.tls.certificate = std::move(certificate);
  return session;
}

}  // namespace

std::string stable_reply(std::string_view reply) {
  const auto parts = text::split(reply, ' ');
  std::string stable(parts.front().substr(0, 3));
  const bool enhanced = parts.size() > 1 && parts[1].size() <= 11 &&
                        parts[1].find_first_not_of("0123456789.") == std::string_view::npos;
  if (enhanced) stable += " " + std::string(parts[1]);
  return stable;
}

std::string encode(const Facts& facts) {
  Json sts{{"kind", word_of(sts_kinds, facts.sts.kind)},
           {"id", facts.sts.id},
           {"failure_type", facts.sts.failure_type},
           {"failure_reason", text::printable(facts.sts.failure_reason, 120)}};
  if (facts.sts.kind == StsState::Kind::policy) {
    const MtaStsPolicy policy = facts.sts.policy.value_or(MtaStsPolicy());
    sts["mode"] = word_of(sts_modes, policy.mode);
    sts["mx"] = policy.mx;
  }
  Json dane{{"kind", word_of(dane_kinds, facts.dane.kind)},
            {"base_domain", facts.dane.base_domain},
            {"failure_reason", text::printable(facts.dane.failure_reason, 120)},
            {"usable", records_json(facts.dane.usable)},
            {"all", records_json(facts.dane.all)},
            {"names", facts.dane.names}};
  Json all{
      {"mx_secure", facts.mx_secure},
      {"flags", {{"requiretls", facts.flags.requiretls}, {"tls_required_no", facts.flags.tls_required_no}}},
      {"sts", std::move(sts)},
      {"dane", std::move(dane)}};
  if (facts.flags.tls_need != TlsNeed::none) all["flags"]["tls_need"] = name_of(facts.flags.tls_need);
  if (facts.session) {
    const SessionFacts& session = *facts.session;
    all["session"] = {{"starttls", word_of(starttls_words, session.starttls)},
                      {"reply", stable_reply(session.starttls_reply)},
                      {"error", text::printable(session.handshake_error, 120)},
                      {"requiretls", session.offers_requiretls},
                      {"version", static_cast<unsigned>(session.tls.version)},
                      {"cipher", session.tls.cipher},
                      {"group", session.tls.group}};
    if (session.tls.legacy_renegotiation) all["session"]["legacy_renegotiation"] = true;
  }
  return dump(all);
}

std::string encode(const CertificateFacts& certificate) {
  Json all{{"subject", certificate.subject},
           {"issuer", certificate.issuer},
           {"names", certificate.dns_names},
           {"common_name", certificate.common_name},
           {"not_before", to_unix(certificate.not_before)},
           {"leaf_expires", to_unix(certificate.leaf_expires)},
           {"chain_expires", to_unix(certificate.chain_expires)},
           {"sha256", certificate.certificate_sha256},
           {"spki_sha256", certificate.spki_sha256},
           {"webpki", chain_json(certificate.webpki)}};
  if (certificate.dane) {
    all["dane"] = {{"chain", chain_json(certificate.dane->chain)},
                   {"usage", certificate.dane->matched_usage},
                   {"records", certificate.dane->records_digest},
                   {"expired", certificate.dane->expired}};
  }
  return dump(all);
}

std::optional<Facts> decode_facts(std::string_view text,
                                  std::shared_ptr<const CertificateFacts> certificate) {
  if (text.size() > most_text) return std::nullopt;
  const Json json = Json::parse(text, nullptr, false);
  bool good = true;
  JsonReader reader(json, good);
  Facts facts;
  facts.mx_secure = reader.flag("mx_secure");
  JsonReader flags = reader.object("flags");
  facts.flags.requiretls = flags.flag("requiretls");
  facts.flags.tls_required_no = flags.flag("tls_required_no");
  if (flags.has("tls_need")) {
    static constexpr std::array<const char*, 3> needs{"", "encrypt", "verify"};
    facts.flags.tls_need = flags.choice<TlsNeed>("tls_need", needs);
  }
  facts.sts = read_sts(reader.object("sts"));
  facts.dane = read_dane(reader.object("dane"), facts.mx_secure);
  if (reader.has("session")) facts.session = read_session(reader.object("session"), std::move(certificate));
  if (!good) return std::nullopt;
  return facts;
}

std::optional<CertificateFacts> decode_certificate(std::string_view text) {
  if (text.size() > most_text) return std::nullopt;
  const Json json = Json::parse(text, nullptr, false);
  bool good = true;
  JsonReader reader(json, good);
  CertificateFacts certificate;
  certificate.subject = reader.text("subject", 4096);
  certificate.issuer = reader.text("issuer", 4096);
  certificate.dns_names = reader.texts("names", most_names, most_word);
  certificate.common_name = reader.text("common_name", most_word);
  certificate.not_before = reader.time("not_before");
  certificate.leaf_expires = reader.time("leaf_expires");
  certificate.chain_expires = reader.time("chain_expires");
  certificate.certificate_sha256 = reader.digest("sha256");
  certificate.spki_sha256 = reader.digest("spki_sha256");
  certificate.webpki = read_chain(reader.object("webpki"));
  if (reader.has("dane")) {
    JsonReader inner = reader.object("dane");
    DaneChain dane;
    dane.chain = read_chain(inner.object("chain"));
    dane.matched_usage = static_cast<std::uint8_t>(inner.number("usage", 0, 255));
    dane.records_digest = inner.text("records", most_word);
    dane.expired = inner.flag("expired");
    certificate.dane = std::move(dane);
  }
  if (!good) return std::nullopt;
  return certificate;
}

}  // namespace sealpost::history
