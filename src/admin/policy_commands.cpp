// SPDX-License-Identifier: Apache-2.0
#include "admin/policy_commands.hpp"

#include "admin/explain_json.hpp"
#include "admin/probe_command.hpp"
#include "admin/rule_commands.hpp"
#include "admin/trials.hpp"
#include "base/text.hpp"
#include "delivery/explain.hpp"
#include "event/ask.hpp"
#include "mail/address.hpp"

namespace sealpost::admin {
namespace {

std::string_view name_of(StsState::Kind kind) noexcept {
  switch (kind) {
    case StsState::Kind::disabled: return "switched off";
    case StsState::Kind::none: return "no policy";
    case StsState::Kind::fetch_failed: return "a record is published, but no policy could be fetched";
    case StsState::Kind::policy: return "a policy is cached";
    case StsState::Kind::unknown: return "unknown: the cache of policies cannot be read, so mail waits";
  }
  return "";
}

Json json_of(const sts::StsService::Entry& entry) {
  return {{"domain", entry.domain},
          {"mode", entry.mode},
          {"id", entry.id},
          {"mx", entry.mx},
          {"fetched", to_rfc3339(entry.fetched)},
          {"expires", to_rfc3339(entry.expires)},
          {"next_refresh", to_rfc3339(entry.next_refresh)},
          {"failure_streak", entry.failure_streak},
          {"last_failure", entry.last_failure}};
}

class PolicyCommands {
 public:
  PolicyCommands(event::Loop& home, PolicyAccess access)
      : home_(home), access_(std::move(access)), trials_(home, access_.evidence) {}

  // {"recent": true}: how the rules have done may be a minute old.
  event::Task<Answer> list(Json arguments) {
    const delivery::RulesPtr rules = access_.rules();
    Json partners = Json::array();
    for (const PartnerRule& rule : rules->partners) partners.push_back(admin::to_json(rule, home_.date()));
    const Duration age = std::chrono::seconds(arguments.value("recent", false) ? 60 : 0);
    const auto known = co_await trials_.recent_readiness(rules, age);
    for (std::size_t i = 0; known && i < partners.size(); ++i)
      partners[i]["readiness"] = admin::to_json(known->rules[i], readiness_days, rules->partners[i].audit);
    const auto entries = co_await access_.context->sts.entries(home_, std::string());
    Json answer;
    answer["partners"] = std::move(partners);
    answer["sts_cached"] = entries.size();
    answer["incomplete"] = known && known->cut;
    co_return Answer(std::move(answer));
  }

  event::Task<Answer> explain(Json arguments) {
    const std::string address = text::printable(arguments.value("address", std::string()));
    const std::string domain = text::lower(after_at(address));
    if (domain.empty())
      co_return Answer(400, "no address was given", "for example: sealpost policy explain user@example.net");
    Envelope envelope;
    const Recipient recipient("postmaster@" + domain);
    const queue::LaneKey key = access_.context->dispatcher.key_for(envelope, recipient);
    const delivery::RulesPtr rules = access_.rules();
    auto make = [context = access_.context, rules, key] { return delivery::explain(*context, rules, key); };
    const delivery::Explanation explanation = co_await event::ask_task(home_, *access_.scope, make);

    Json answer = admin::to_json(explanation, home_.date());
    answer["address"] = address;
    const std::string readiness = co_await readiness_line(rules, domain);
    if (!readiness.empty()) answer["trace"].push_back(readiness);
    co_return Answer(std::move(answer));
  }

  event::Task<Answer> sts_show(Json arguments) {
    const auto entries =
        co_await access_.context->sts.entries(home_, text::lower(arguments.value("domain", std::string())));
    Json all = Json::array();
    for (const auto& entry : entries) all.push_back(json_of(entry));
    Json answer;
    answer["policies"] = std::move(all);
    co_return Answer(std::move(answer));
  }

  event::Task<Answer> sts_refresh(Json arguments) {
    const std::string domain = text::lower(arguments.value("domain", std::string()));
    if (domain.empty()) co_return Answer(400, "no domain was given");
    const StsState state = co_await access_.context->sts.refresh(home_, domain);
    Json answer;
    answer["domain"] = domain;
    answer["state"] = name_of(state.kind);
    if (!state.id.empty()) answer["id"] = state.id;
    if (!state.failure_type.empty()) answer["failure"] = state.failure_type + ": " + state.failure_reason;
    co_return Answer(std::move(answer));
  }

 private:
  // How the rule in force for the domain has done of late; empty: there is none, or nothing is recorded.
  event::Task<std::string> readiness_line(delivery::RulesPtr rules, std::string domain) {
    const PartnerRule* rule = find_partner(rules->partners, domain, home_.date());
    if (rule == nullptr) co_return "";
    const auto known = co_await trials_.readiness(rules, readiness_days);
    if (!known) co_return "";
    const auto index = static_cast<std::size_t>(rule - rules->partners.data());
    const history::Readiness& one = known->rules[index];
    std::string line = "record: " + one.to_string(readiness_days, rule->audit);
    if (!one.reasons.empty()) line += "; most often: " + one.reasons.front().text;
    co_return line;
  }

  event::Loop& home_;
  PolicyAccess access_;
  Trials trials_;
};

}  // namespace

void serve_policy_commands(ControlServer& server, event::Loop& home, PolicyAccess access) {
  serve_rule_commands(server, home, access);
  serve_probe_command(server, home, access);
  const auto commands = std::make_shared<PolicyCommands>(home, std::move(access));
  server.handle("policy.list", [commands](Json arguments) { return commands->list(std::move(arguments)); });
  server.handle("policy.explain",
                [commands](Json arguments) { return commands->explain(std::move(arguments)); });
  server.handle("sts.show", [commands](Json arguments) { return commands->sts_show(std::move(arguments)); });
  server.handle("sts.refresh",
                [commands](Json arguments) { return commands->sts_refresh(std::move(arguments)); });
}

}  // namespace sealpost::admin
