// SPDX-License-Identifier: Apache-2.0
//
// From one session to what it says about the causes of alerts.
#include <algorithm>

#include "tlsrpt/alerts/alerts.hpp"
#include "tlsrpt/counting/plain_words.hpp"

namespace sealpost::tlsrpt {
namespace {

std::optional<SystemTime> chain_end(const SessionRecord& record) {
  if (!record.facts || !record.facts->tls.certificate) return std::nullopt;
  const CertificateFacts& certificate = *record.facts->tls.certificate;
  const bool chain = certificate.webpki.ok() && certificate.chain_expires != SystemTime{};
  return chain ? std::min(certificate.chain_expires, certificate.leaf_expires) : certificate.leaf_expires;
}

Observation refused(const SessionRecord& record, Source source, const std::string& origin,
                    const std::string& result_type, const std::string& reason_code) {
  Circumstances about;
  about.result_type = result_type;
  about.reason_code = reason_code;
  about.mx_host = record.mx_host;
  about.domain = record.policy_domain;
  about.certificate_expires = chain_end(record);
  about.now = record.when;
  const PlainWords words = in_plain_words(about);
  Observation observation;
  observation.wrong = true;
  observation.what = words.what + "; required by " + std::string(name_of(source)) +
                     (origin.empty() ? "" : " (" + origin + ")");
  observation.how = words.remedy;
  return observation;
}

// One host that fails while another takes the mail is no alert: success ends what failure began (AlertSettings::after).
std::optional<Observation> about_delivery(const SessionRecord& record) {
  Observation observation;
  const DemandResult* decisive = record.judgement.decisive();
  if (record.skip) {
    observation = refused(record, record.skip->source, record.skip->origin, record.skip->result_type,
                          record.skip->reason_code);
  } else if (decisive != nullptr) {
    const DemandFailure& failure = decisive->failures.front();
    observation =
        refused(record, decisive->source, decisive->origin, failure.result_type, failure.reason_code);
  } else if (!record.facts || record.judgement.verdict == Verdict::refuse) {
    return std::nullopt;
  }
  observation.kind = AlertKind::delivery;
  observation.subject = record.policy_domain;
  return observation;
}

// Only of hosts that a partner rule or an MTA-STS policy makes us verify: elsewhere its end changes nothing.
std::optional<Observation> about_certificate(const SessionRecord& record, std::chrono::days ahead) {
  const auto end = chain_end(record);
  if (!end || ahead.count() == 0 || !record.facts->tls.certificate->webpki.ok()) return std::nullopt;
  const bool verified = std::any_of(record.judgement.results.begin(), record.judgement.results.end(),
                                    [](const DemandResult& each) {
                                      return each.source == Source::partner || each.source == Source::mta_sts;
                                    });
  if (!verified) return std::nullopt;
  Observation observation;
  observation.kind = AlertKind::certificate;
  observation.subject = record.mx_host;
  observation.wrong = *end < record.when + ahead;
  if (!observation.wrong) return observation;
  observation.what = "certificate of " + record.mx_host + ", mail host of " + record.policy_domain +
                     ", expires " + when_in_words(*end, record.when) + " (" + to_utc_day(*end) + ")";
  observation.how = "ask them to renew it, and to reload their mail server afterwards";
  return observation;
}

std::optional<Observation> about_refresh(const SessionRecord& record, unsigned streak) {
  if (record.sts.kind != StsState::Kind::policy) return std::nullopt;
  Observation observation;
  observation.kind = AlertKind::sts_refresh;
  observation.subject = record.policy_domain;
  observation.wrong = record.sts.failure_streak >= streak;
  if (!observation.wrong) return observation;
  Circumstances about;
  about.result_type = record.sts.failure_type;
  about.reason_code = record.sts.failure_reason;
  about.domain = record.policy_domain;
  about.now = record.when;
  const PlainWords words = in_plain_words(about);
  observation.what = words.what + ", " + std::to_string(record.sts.failure_streak) +
                     " times in a row; the cached policy holds until " + to_utc_day(record.sts.expires);
  observation.how = words.remedy;
  return observation;
}

}  // namespace

std::vector<Observation> observations_of(const SessionRecord& record, const AlertSettings& settings) {
  std::vector<Observation> all;
  for (auto&& observation : {about_delivery(record), about_certificate(record, settings.certificate),
                             about_refresh(record, settings.refresh_streak)}) {
    if (!observation) continue;
    all.push_back(*observation);
    all.back().when = record.when;
  }
  return all;
}

}  // namespace sealpost::tlsrpt
