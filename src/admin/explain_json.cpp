// SPDX-License-Identifier: Apache-2.0
#include "admin/explain_json.hpp"

namespace sealpost::admin {
namespace {

std::string on_failure_of(const PartnerRule& rule) {
  switch (rule.on_failure) {
    case PartnerRule::OnFailure::bounce: return "bounce";
    case PartnerRule::OnFailure::defer: return "defer";
    case PartnerRule::OnFailure::reroute: return "reroute:" + rule.reroute;
  }
  return "";
}

std::string_view word_for(StsState::Kind kind) noexcept {
  switch (kind) {
    case StsState::Kind::disabled: return "disabled";
    case StsState::Kind::none: return "none";
    case StsState::Kind::fetch_failed: return "fetch-failed";
    case StsState::Kind::policy: return "policy";
    case StsState::Kind::unknown: return "unknown";
  }
  return "";
}

std::string_view word_for(DaneState::Kind kind) noexcept {
  switch (kind) {
    case DaneState::Kind::disabled: return "disabled";
    case DaneState::Kind::none: return "none";
    case DaneState::Kind::usable: return "usable";
    case DaneState::Kind::unusable: return "unusable";
    case DaneState::Kind::failed: return "failed";
  }
  return "";
}

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json told(const StsState& sts) {
  Json all{{"state", word_for(sts.kind)},
           {"id", text_or_null(sts.id)},
           {"mode", Json()},
           {"mx", Json::array()},
           {"expires", Json()},
           {"failure_type", text_or_null(sts.failure_type)},
           {"failure_reason", text_or_null(sts.failure_reason)},
           {"failure_streak", sts.failure_streak},
           {"record_problem", sts.kind == StsState::Kind::none ? text_or_null(sts.failure_reason) : Json()}};
  if (sts.policy) {
    all["mode"] = sealpost::name_of(sts.policy->mode);
    all["mx"] = sts.policy->mx;
    all["expires"] = to_rfc3339(sts.expires);
  }
  return all;
}

Json told(const std::vector<TlsaRecord>& records) {
  Json all = Json::array();
  for (const TlsaRecord& record : records) all.push_back(to_text(record));
  return all;
}

Json told(const DaneState& dane) {
  return {{"state", word_for(dane.kind)}, {"base_domain", text_or_null(dane.base_domain)},
          {"records", told(dane.all)},    {"usable", told(dane.usable)},
          {"mx_secure", dane.mx_secure},  {"failure_reason", text_or_null(dane.failure_reason)}};
}

Json told(const Demand& demand) {
  Json unmet = Json::array();
  for (const DemandFailure& failure : demand.unmet)
    unmet.push_back({{"result_type", failure.result_type},
                     {"reason_code", text_or_null(failure.reason_code)},
                     {"status", failure.status},
                     {"text", failure.text}});
  return {{"source", sealpost::name_of(demand.source)},
          {"enforced", demand.enforced()},
          {"origin", text_or_null(demand.origin)},
          {"version", text_or_null(demand.version)},
          {"note", text_or_null(demand.note)},
          {"tls", demand.needs_tls()},
          {"trusted_chain", demand.webpki},
          {"names",
           {{"mx", demand.match_mx_name}, {"domain", demand.match_domain}, {"literal", demand.match_names}}},
          {"mx_patterns", demand.mx_patterns},
          {"tlsa", told(demand.tlsa)},
          {"pins", demand.pins},
          {"minimum", demand.minimum == TlsVersion::none ? Json() : Json(sealpost::name_of(demand.minimum))},
          {"requiretls", demand.requiretls_offer},
          {"unmet", std::move(unmet)}};
}

Json told(const delivery::HostExplanation& host) {
  Json entry{{"mx", host.mx},
             {"preference", host.preference},
             {"trace", host.trace},
             {"tls_required", host.tls_required},
             {"on_failure", host.on_failure},
             {"usable", host.unusable.empty()},
             {"unusable_because", text_or_null(host.unusable)},
             {"addresses", host.addresses}};
  if (!host.unusable.empty()) return entry;
  entry["dane"] = told(host.dane);
  entry["tls_tried"] = host.decision.try_tls;
  entry["authentication_required"] = host.decision.requirement.authentication_required();
  entry["demands"] = Json::array();
  for (const Demand& demand : host.decision.requirement.demands) entry["demands"].push_back(told(demand));
  entry["skipped"] = Json();
  if (const auto& skip = host.decision.skip)
    entry["skipped"] = {{"source", sealpost::name_of(skip->source)},
                        {"origin", text_or_null(skip->origin)},
                        {"result_type", skip->result_type},
                        {"reason_code", text_or_null(skip->reason_code)},
                        {"status", skip->status},
                        {"text", skip->text}};
  return entry;
}

Json told(const PartnerException& exception) {
  return {{"until", to_rfc3339(exception.until)},
          {"tls", sealpost::name_of(exception.level)},
          {"reason", exception.reason},
          {"approved_by", exception.approved_by}};
}

}  // namespace

Json to_json(const PartnerRule& rule, SystemTime now) {
  const auto date = [](const std::optional<SystemTime>& time) {
    return time ? Json(to_rfc3339(*time)) : Json();
  };
  Json exceptions = Json::array();
  for (const PartnerException& exception : rule.exceptions) exceptions.push_back(told(exception));
  const PartnerException* const current = exception_at(rule, now);
  return {{"name", rule.name},
          {"domains", rule.domains},
          {"tls", sealpost::name_of(level_at(rule, now))},
          {"tls_by_rule", sealpost::name_of(rule.level)},
          {"exception", current == nullptr ? Json() : told(*current)},
          {"mode", rule.audit ? "audit" : "enforce"},
          {"mx", rule.mx},
          {"on_failure", on_failure_of(rule)},
          {"grace", to_duration_text(rule.grace)},
          {"starts", date(rule.starts)},
          {"ends", date(rule.ends)},
          {"review_by", date(rule.review_by)},
          {"exceptions", std::move(exceptions)},
          {"pins", rule.pins},
          {"owner", rule.owner},
          {"reference", rule.reference},
          {"file", rule.file + ":" + std::to_string(rule.line)},
          {"hash", rule.hash}};
}

Json to_json(const delivery::Explanation& explanation, SystemTime now) {
  Json answer{{"next_hop", explanation.next_hop},
              {"policy_domain", explanation.policy_domain},
              {"trace", explanation.trace},
              {"no_route", text_or_null(explanation.no_route)},
              {"hosts", Json::array()}};
  if (!explanation.no_route.empty()) return answer;
  answer["partner"] = explanation.partner ? to_json(*explanation.partner, now) : Json();
  answer["relay_partner"] = explanation.hop_partner ? to_json(*explanation.hop_partner, now) : Json();
  answer["mta_sts"] = told(explanation.sts);
  answer["mx_lookup"] = {{"implicit", explanation.mx_implicit}, {"dnssec_secure", explanation.mx_secure}};
  for (const auto& host : explanation.hosts) answer["hosts"].push_back(told(host));
  return answer;
}

}  // namespace sealpost::admin
