// SPDX-License-Identifier: Apache-2.0
#include "admin/probe_command.hpp"

#include <algorithm>
#include <atomic>

#include "admin/rule_commands.hpp"
#include "base/text.hpp"
#include "delivery/probe.hpp"
#include "event/ask.hpp"
#include "history/replay.hpp"
#include "mail/address.hpp"

namespace sealpost::admin {
namespace {

constexpr int most_probes = 2;
constexpr auto soon = std::chrono::days(30);
constexpr std::size_t most_names = 50;  // of a certificate, shown

std::string_view name_of(StartTls state) noexcept {
  switch (state) {
    case StartTls::not_offered: return "not offered";
    case StartTls::refused: return "refused";
    case StartTls::handshake_failed: return "handshake failed";
    case StartTls::established: return "established";
    case StartTls::not_tried: return "not tried";
  }
  return "";
}

std::string_view name_of(DaneState::Kind kind) noexcept {
  switch (kind) {
    case DaneState::Kind::disabled: return "switched off";
    case DaneState::Kind::none: return "no signed records";
    case DaneState::Kind::usable: return "usable records";
    case DaneState::Kind::unusable: return "records, none usable";
    case DaneState::Kind::failed: return "lookup failed";
  }
  return "";
}

std::string_view verdict_of(const delivery::HostProbe& host) noexcept {
  switch (host.outcome) {
    case delivery::HostProbe::Outcome::unreachable: return "not reached";
    case delivery::HostProbe::Outcome::passed_over: return "passed over";
    case delivery::HostProbe::Outcome::judged: break;
  }
  switch (host.judgement.verdict) {
    case Verdict::deliver: return "deliver";
    case Verdict::deliver_and_report: return "deliver and report";
    case Verdict::refuse: return "refuse";
  }
  return "";
}

std::int64_t days_left(SystemTime end, SystemTime now) {
  return std::chrono::floor<std::chrono::days>(end - now).count();
}

Json json_of(const CertificateFacts& certificate, SystemTime now) {
  std::vector<std::string> names = certificate.dns_names;
  if (names.size() > most_names) names.resize(most_names);
  return {{"subject", certificate.subject},
          {"issuer", certificate.issuer},
          {"names", std::move(names)},
          {"not_before", to_rfc3339(certificate.not_before)},
          {"expires", to_rfc3339(certificate.leaf_expires)},
          {"days_left", days_left(certificate.leaf_expires, now)},
          {"sha256", certificate.certificate_sha256},
          {"spki_sha256", certificate.spki_sha256},
          {"chain", certificate.webpki.ok() ? "trusted" : certificate.webpki.token}};
}

Json failure_texts(const std::vector<DemandFailure>& failures) {
  Json texts = Json::array();
  for (const DemandFailure& failure : failures) texts.push_back(failure.text);
  return texts;
}

// One entry for each source, whether the host was contacted or not.
Json sources_of(const delivery::HostProbe& host) {
  Json all = Json::array();
  const bool judged = host.outcome == delivery::HostProbe::Outcome::judged;
  const auto& demands = host.decision.requirement.demands;
  for (std::size_t i = 0; i < demands.size(); ++i) {
    const auto& failures = judged ? host.judgement.results[i].failures : demands[i].unmet;
    const bool holds = judged ? host.judgement.results[i].satisfied() : false;
    all.push_back({{"source", sealpost::name_of(demands[i].source)},
                   {"origin", demands[i].origin},
                   {"version", demands[i].version},
                   {"force", demands[i].enforced() ? "enforce" : "observe"},
                   {"satisfied", judged ? Json(holds) : Json()},
                   {"failures", failure_texts(failures)}});
  }
  return all;
}

history::Recorded as_recorded(const delivery::Probe& probe, const delivery::HostProbe& host) {
  history::Facts facts;
  facts.mx_secure = host.mx_secure;
  facts.sts = probe.sts;
  facts.dane = host.dane;
  facts.session = host.facts;
  history::Recorded recorded;
  recorded.recipient_domain = probe.recipient_domain;
  recorded.policy_domain = probe.policy_domain;
  recorded.mx_host = host.mx;
  recorded.facts = std::make_shared<const history::Facts>(std::move(facts));
  recorded.first = recorded.last = probe.when;
  return recorded;
}

// What a plain rule of each level would have made of this host.
Json levels_of(const delivery::Probe& probe, const delivery::HostProbe& host, TlsVersion minimum) {
  Json levels = Json::object();
  if (host.outcome != delivery::HostProbe::Outcome::judged) return levels;
  const history::Recorded recorded = as_recorded(probe, host);
  history::Terms terms;
  terms.minimum = minimum;
  terms.now = probe.when;
  for (const PartnerLevel level : {PartnerLevel::encrypt, PartnerLevel::verify, PartnerLevel::dane}) {
    PartnerRule rule;
    rule.name = "tls = " + std::string(sealpost::name_of(level));
    rule.level = level;
    const auto assessed = history::assess_rule(recorded, rule, terms);
    levels[std::string(sealpost::name_of(level))] =
        assessed.result == history::Result::pass ? "holds" : assessed.failure.text;
  }
  return levels;
}

// What the rule itself would make of a host that an exception lets pass; "" when none is in force.
std::string without_exception(const delivery::Probe& probe, const delivery::HostProbe& host,
                              TlsVersion minimum) {
  const bool judged = host.outcome == delivery::HostProbe::Outcome::judged;
  if (!judged || !probe.partner || exception_at(*probe.partner, probe.when) == nullptr) return "";
  history::Terms terms;
  terms.minimum = minimum;
  terms.now = probe.when;
  const auto assessed = history::assess_rule(as_recorded(probe, host), *probe.partner, terms);
  return assessed.result == history::Result::pass ? "holds" : assessed.failure.text;
}

// What would make it fail, or soon will.
Json notes_of(const delivery::Probe& probe, const delivery::HostProbe& host, const std::string& by_rule) {
  const SystemTime now = probe.when;
  Json notes = Json::array();
  if (!by_rule.empty()) {
    const PartnerException& exception = *exception_at(*probe.partner, now);
    notes.push_back("an exception is in force until " + to_utc_day(exception.until) + " (tls = \"" +
                    std::string(sealpost::name_of(exception.level)) + "\", approved by " +
                    exception.approved_by + "); without it the rule (tls = \"" +
                    std::string(sealpost::name_of(probe.partner->level)) + "\") " +
                    (by_rule == "holds" ? "holds as well" : "would refuse: " + by_rule));
  }
  for (const DemandResult& result : host.judgement.results) {
    if (result.satisfied() || result.force == Force::enforce || result.source == Source::opportunistic)
      continue;
    notes.push_back(std::string(sealpost::name_of(result.source)) +
                    " only observes; enforced it would refuse: " + result.failures.front().text);
  }
  const CertificateFacts* certificate = host.facts.tls.certificate.get();
  if (certificate == nullptr) return notes;
  const SystemTime end = certificate->leaf_expires;
  if (end <= now)
    notes.push_back("the certificate expired on " + to_utc_day(end));
  else if (end <= now + soon)
    notes.push_back("the certificate expires on " + to_utc_day(end) + ", in " +
                    std::to_string(days_left(end, now)) +
                    " day(s); from then on whoever verifies it refuses");
  else if (certificate->webpki.ok() && certificate->chain_expires <= now + soon)
    notes.push_back("a certificate above it expires on " + to_utc_day(certificate->chain_expires));
  return notes;
}

Json json_of(const delivery::Probe& probe, const delivery::HostProbe& host, TlsVersion minimum) {
  Json entry;
  entry["mx"] = host.mx;
  entry["preference"] = host.preference;
  entry["verdict"] = verdict_of(host);
  entry["why"] = host.why;
  if (const DemandResult* decisive = host.judgement.decisive())
    entry["why"] = decisive->failures.front().text;
  entry["address"] = host.address;
  entry["did_not_answer"] = host.tried;
  entry["server_name"] = host.server_name;
  entry["starttls"] = name_of(host.facts.starttls);
  entry["starttls_reply"] = text::printable(host.facts.starttls_reply);
  entry["handshake_error"] = text::printable(host.facts.handshake_error);
  entry["tls_version"] =
      host.facts.starttls == StartTls::established ? sealpost::name_of(host.facts.tls.version) : "";
  entry["cipher"] = host.facts.tls.cipher;
  entry["group"] = host.facts.tls.group;
  entry["requiretls"] = host.facts.offers_requiretls;
  entry["certificate"] =
      host.facts.tls.certificate ? json_of(*host.facts.tls.certificate, probe.when) : Json();
  entry["dane"]["state"] = name_of(host.dane.kind);
  entry["dane"]["base_domain"] = host.dane.base_domain;
  entry["dane"]["records"] = Json::array();
  for (const TlsaRecord& record : host.dane.all) entry["dane"]["records"].push_back(to_text(record));
  entry["sources"] = sources_of(host);
  entry["levels"] = levels_of(probe, host, minimum);
  const std::string by_rule = without_exception(probe, host, minimum);
  entry["without_exception"] = by_rule.empty() ? Json() : Json(by_rule);
  entry["notes"] = notes_of(probe, host, by_rule);
  entry["trace"] = host.decision.trace;
  return entry;
}

class ProbeCommand {
 public:
  ProbeCommand(event::Loop& home, PolicyAccess access) : home_(home), access_(std::move(access)) {}

  event::Task<Answer> probe(Json arguments) {
    const std::string address = text::printable(arguments.value("domain", std::string()));
    const std::string domain = text::lower(after_at(address));
    if (domain.empty())
      co_return Answer(400, "no domain was given", "for example: sealpost policy probe example.net");
    delivery::RulesPtr rules = access_.rules();
    std::string sha256;
    Json warnings = Json::array();
    if (arguments.contains("rule")) {
      DraftRules draft = access_.read_rules(arguments.value("rule", std::string()),
                                            arguments.value("file", std::string("draft")), home_.date());
      if (!draft.ok) co_return bad_draft(draft);
      sha256 = draft.sha256;
      warnings = draft.findings;
      if (!governs(draft.rules, domain))
        co_return Answer(400, "no rule of the file is about " + domain, "its domains do not name it");
      auto trial = std::make_shared<delivery::Rules>(*rules);
      trial->partners = history::with_draft(rules->partners, std::move(draft.rules));
      rules = std::move(trial);
    }
    auto place = take_place();
    if (!place) co_return Answer(503, "two probes are under way already", "try again when they are done");

    Envelope envelope;
    const Recipient recipient("postmaster@" + domain);
    const queue::LaneKey key = access_.context->dispatcher.key_for(envelope, recipient);
    auto make = [context = access_.context, rules, key, place] {
      return delivery::probe(*context, rules, key, place);
    };
    place.reset();
    const delivery::Probe result = co_await event::ask_task(home_, *access_.scope, make);
    Json answer = to_json(result, rules->settings.minimum);
    answer["warnings"] = std::move(warnings);
    answer["rule_file_sha256"] = sha256.empty() ? Json() : Json(sha256);
    co_return Answer(std::move(answer));
  }

 private:
  static bool governs(const std::vector<PartnerRule>& rules, const std::string& domain) {
    return std::ranges::any_of(rules, [&](const PartnerRule& rule) {
      return std::ranges::any_of(rule.domains, [&](const auto& pattern) { return covers(pattern, domain); });
    });
  }

  // Null when there are enough; the place is free again when the last copy goes, on whatever thread.
  std::shared_ptr<void> take_place() {
    if (under_way_->fetch_add(1) < most_probes)
      return std::shared_ptr<void>(under_way_.get(), [count = under_way_](void*) { count->fetch_sub(1); });
    under_way_->fetch_sub(1);
    return {};
  }

  static Json to_json(const delivery::Probe& probe, TlsVersion minimum) {
    Json answer;
    answer["domain"] = probe.recipient_domain;
    answer["next_hop"] = probe.next_hop;
    answer["policy_domain"] = probe.policy_domain;
    answer["when"] = to_rfc3339(probe.when);
    answer["no_route"] = probe.no_route;
    answer["rules"] = Json::array();
    for (const auto* rule : {&probe.partner, &probe.hop_partner})
      if (*rule)
        answer["rules"].push_back({{"name", (*rule)->name},
                                   {"hash", (*rule)->hash},
                                   {"file", (*rule)->file + ":" + std::to_string((*rule)->line)}});
    answer["hosts"] = Json::array();
    std::size_t refused = 0, reached = 0;
    for (const delivery::HostProbe& host : probe.hosts) {
      answer["hosts"].push_back(json_of(probe, host, minimum));
      refused += host.refused() ? 1U : 0U;
      reached += host.outcome != delivery::HostProbe::Outcome::unreachable ? 1U : 0U;
    }
    answer["refused"] = refused;
    answer["reached"] = reached;
    return answer;
  }

  event::Loop& home_;
  PolicyAccess access_;
  std::shared_ptr<std::atomic<int>> under_way_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace

void serve_probe_command(ControlServer& server, event::Loop& home, PolicyAccess access) {
  const auto command = std::make_shared<ProbeCommand>(home, std::move(access));
  server.handle("policy.probe", [command](Json arguments) { return command->probe(std::move(arguments)); });
}

}  // namespace sealpost::admin
