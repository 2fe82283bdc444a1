// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/counting/counted.hpp"

#include <algorithm>

namespace sealpost::tlsrpt {
namespace {

FailureDetail detail_of(const SessionRecord& record, std::string type, std::string reason) {
  FailureDetail detail;
  detail.result_type = std::move(type);
  detail.reason_code = std::move(reason);
  if (record.sending_ip) detail.sending_ip = record.sending_ip->to_string();
  if (record.receiving_ip) detail.receiving_ip = record.receiving_ip->to_string();
  detail.mx_host = record.mx_host;
  detail.mx_helo = record.mx_helo;
  return detail;
}

CountedEntry entry_for(const SessionRecord& record, std::string type) {
  CountedEntry entry;
  entry.key.day = to_utc_day(record.when);
  entry.key.domain = record.policy_domain;
  entry.key.type = std::move(type);
  return entry;
}

bool skipped_for(const SessionRecord& record, std::string_view result_type) {
  return record.skip && record.skip->result_type == result_type;
}

// The skip is this source's doing. A partner rule that demands DANE meets the same failed lookup first, and what is
// published at fault stays at fault.
bool caused_skip(const SessionRecord& record, Source source) {
  if (!record.skip) return false;
  return record.skip->source == source || (source == Source::dane && skipped_for(record, "dnssec-invalid"));
}

// What this source made of the session: its demand's failures, or the skip it caused.
void judge_source(const SessionRecord& record, Source source, CountedEntry& entry) {
  if (caused_skip(record, source)) {
    entry.success = false;
    entry.failures.push_back(detail_of(record, record.skip->result_type, record.skip->reason_code));
    return;
  }
  const auto result = std::find_if(record.judgement.results.begin(), record.judgement.results.end(),
                                   [&](const DemandResult& each) { return each.source == source; });
  if (result == record.judgement.results.end()) {
    // Another source kept us from this host before this one had its say: nothing to count for it.
    entry.session = record.facts.has_value();
    entry.success = record.facts && record.facts->starttls == StartTls::established;
    return;
  }
  entry.success = result->satisfied();
  // First match wins within one policy (RFC 8460 §4.3).
  if (!entry.success)
    entry.failures.push_back(
        detail_of(record, result->failures.front().result_type, result->failures.front().reason_code));
}

CountedEntry sts_entry(const SessionRecord& record) {
  CountedEntry entry = entry_for(record, "sts");
  entry.key.policy_domain = record.policy_domain;
  if (record.sts.policy) {
    entry.key.policy_string = record.sts.policy->lines;
    entry.key.mx_hosts = record.sts.policy->mx;
  }
  return entry;
}

CountedEntry dane_entry(const SessionRecord& record) {
  CountedEntry entry = entry_for(record, "tlsa");
  const DaneState& dane = record.dane;
  entry.key.policy_domain = dane.base_domain.empty() ? record.mx_host : dane.base_domain;
  for (const TlsaRecord& tlsa : dane.all) entry.key.policy_string.push_back(to_text(tlsa));
  std::sort(entry.key.policy_string.begin(), entry.key.policy_string.end());
  return entry;
}

}  // namespace

void fold(Tally& tally, CountedEntry entry) {
  PolicyTally& sum = tally[std::move(entry.key)];
  if (entry.session) ++(entry.success ? sum.success : sum.failure);
  for (FailureDetail& detail : entry.failures) ++sum.failures[std::move(detail)];
}

std::vector<CountedEntry> count_session(const SessionRecord& record) {
  std::vector<CountedEntry> entries;
  const bool encrypted = record.facts && record.facts->starttls == StartTls::established;
  const StsState& sts = record.sts;
  const bool sts_rules =
      sts.kind == StsState::Kind::policy && sts.policy && sts.policy->mode != StsMode::none;

  if (sts_rules) {
    CountedEntry entry = sts_entry(record);
    judge_source(record, Source::mta_sts, entry);
    // A refresh that fails behind a cached policy is reported too (RFC 8461 §6), as one more detail of the
    // session.
    if (!sts.failure_type.empty())
      entry.failures.push_back(detail_of(record, sts.failure_type, sts.failure_reason));
    entries.push_back(std::move(entry));
  } else if (sts.kind == StsState::Kind::fetch_failed) {
    // R10: no policy to comply with but TLS; the failed fetch adds its detail.
    CountedEntry entry = sts_entry(record);
    entry.success = encrypted;
    FailureDetail fetch = detail_of(record, sts.failure_type, sts.failure_reason);
    fetch.sending_ip.clear();
    fetch.receiving_ip.clear();
    fetch.mx_helo.clear();
    fetch.mx_host.clear();
    entry.failures.push_back(std::move(fetch));
    entries.push_back(std::move(entry));
  }

  const DaneState& dane = record.dane;
  if (skipped_for(record, "dane-required")) {
    // RFC 8460 §4.3.2.1: the operator wants DANE for this partner and the host has none that counts.
    CountedEntry entry = dane_entry(record);
    entry.failures.push_back(detail_of(record, record.skip->result_type, record.skip->reason_code));
    entries.push_back(std::move(entry));
  } else if (dane.kind == DaneState::Kind::usable || dane.kind == DaneState::Kind::unusable ||
             dane.kind == DaneState::Kind::failed) {
    CountedEntry entry = dane_entry(record);
    judge_source(record, Source::dane, entry);
    entries.push_back(std::move(entry));
  }

  if (entries.empty()) {
    CountedEntry entry = entry_for(record, "no-policy-found");
    entry.key.policy_domain = record.policy_domain;
    entry.success = encrypted;
    if (!record.facts) return {};  // an operator's rule kept us away: nothing the recipient published failed
    if (!encrypted && record.facts->starttls == StartTls::handshake_failed) {
      entry.failures.push_back(detail_of(record, "validation-failure", record.facts->handshake_error));
    } else if (!encrypted) {
      const std::string& reply = record.facts->starttls_reply;
      entry.failures.push_back(
          detail_of(record, "starttls-not-supported", reply.empty() ? "starttls-not-offered" : reply));
    }
    entries.push_back(std::move(entry));
  }
  std::erase_if(entries, [](const CountedEntry& entry) { return !entry.session && entry.failures.empty(); });
  return entries;
}

}  // namespace sealpost::tlsrpt
