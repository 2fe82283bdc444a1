// SPDX-License-Identifier: Apache-2.0
//
// `policy readiness|replay|suggest`: rules held against what has been recorded.
#include "admin/rule_commands.hpp"

#include <algorithm>

#include "admin/trials.hpp"
#include "base/text.hpp"

namespace sealpost::admin {
namespace {

constexpr unsigned most_looked_back = 3650;

class RuleCommands {
 public:
  RuleCommands(event::Loop& home, PolicyAccess access)
      : home_(home), access_(std::move(access)), trials_(home, access_.evidence) {}

  event::Task<Answer> readiness(Json arguments) {
    const std::string partner = arguments.value("partner", std::string());
    const auto days = arguments.value("days", readiness_days);
    if (days < 1 || days > most_looked_back) co_return Answer(400, "days must be between 1 and 3650");
    const delivery::RulesPtr rules = access_.rules();
    const auto known = co_await trials_.readiness(rules, days);
    if (!known) co_return refused(known.error());
    Json answer;
    answer["days"] = days;
    answer["left_out"] = known->left_out;
    answer["damaged"] = known->damaged;
    answer["incomplete"] = known->cut;
    answer["partners"] = Json::array();
    for (std::size_t i = 0; i < rules->partners.size(); ++i) {
      if (!partner.empty() && !text::iequals(rules->partners[i].name, partner)) continue;
      answer["partners"].push_back(to_json(known->rules[i], days, rules->partners[i].audit));
    }
    if (!partner.empty() && answer["partners"].empty())
      co_return Answer(404, "no partner rule is called '" + text::printable(partner, 100) + "'",
                       "'sealpost policy list' shows them");
    co_return Answer(std::move(answer));
  }

  event::Task<Answer> replay(Json arguments) {
    const SystemTime now = home_.date();
    const std::string since_text = arguments.value("since", std::string("7d"));
    const auto since = parse_since(since_text, now);
    if (!since)
      co_return Answer(400, "'" + text::printable(since_text, 60) + "' is no time",
                       "write 2026-01-31, 2026-01-31T12:00:00Z, or how long ago: 36h, 7d");
    DraftRules draft = access_.read_rules(arguments.value("rule", std::string()),
                                          arguments.value("file", std::string("draft")), now);
    if (!draft.ok) co_return bad_draft(draft);
    const auto done = co_await trials_.replay(access_.rules(), std::move(draft.rules), *since);
    if (!done) co_return refused(done.error());
    Json answer = to_json(done->replay);
    answer["since"] = to_utc_day(*since);
    answer["rule_file_sha256"] = draft.sha256;
    answer["warnings"] = draft.findings;
    answer["left_out"] = done->left_out;
    answer["damaged"] = done->damaged;
    answer["incomplete"] = done->cut;
    co_return Answer(std::move(answer));
  }

  event::Task<Answer> suggest(Json arguments) {
    const auto days = arguments.value("days", readiness_days);
    if (days < 1 || days > most_looked_back) co_return Answer(400, "days must be between 1 and 3650");
    history::SuggestTerms wanted;
    wanted.least_sessions = arguments.value("least_sessions", wanted.least_sessions);
    wanted.least_span = std::chrono::days(std::min(arguments.value("least_days", 7U), most_looked_back));
    wanted.most = std::min<std::size_t>(arguments.value("limit", wanted.most), 10'000);
    const std::string domain = text::lower(arguments.value("domain", std::string()));
    const auto made = co_await trials_.suggest(access_.rules(), domain, days, wanted);
    if (!made) co_return refused(made.error());
    Json answer;
    answer["domains"] = made->domains;
    answer["has_rule"] = made->has_rule;
    answer["too_few_sessions"] = made->too_few;
    answer["none_holds"] = made->none_holds;
    answer["more"] = made->more;
    answer["suggestions"] = Json::array();
    for (const history::Suggestion& one : made->proposals) {
      std::string toml = to_toml(one);
      // A proposal that could not be read back would be of no use to anyone.
      if (!access_.read_rules(toml, "suggestion", home_.date()).ok) continue;
      answer["suggestions"].push_back({{"domain", one.rule.name},
                                       {"tls", sealpost::name_of(one.rule.level)},
                                       {"mx", one.rule.mx},
                                       {"sessions", one.sessions},
                                       {"hosts", one.hosts},
                                       {"first", to_rfc3339(one.first)},
                                       {"last", to_rfc3339(one.last)},
                                       {"toml", std::move(toml)}});
    }
    co_return Answer(std::move(answer));
  }

 private:
  Answer refused(const Error& error) const {
    if (error.code != Errc::unavailable) return Answer(500, error.detail);
    return Answer(503, error.detail, access_.evidence_off);
  }

  event::Loop& home_;
  PolicyAccess access_;
  Trials trials_;
};

}  // namespace

Answer bad_draft(const DraftRules& draft) {
  Answer answer(400, "the rule file has errors; nothing was tried");
  std::string all;
  for (const std::string& finding : draft.findings) all += (all.empty() ? "" : "\n  ") + finding;
  answer.body["remedy"] = std::move(all);
  return answer;
}

void serve_rule_commands(ControlServer& server, event::Loop& home, PolicyAccess access) {
  const auto commands = std::make_shared<RuleCommands>(home, std::move(access));
  server.handle("policy.readiness",
                [commands](Json arguments) { return commands->readiness(std::move(arguments)); });
  server.handle("policy.suggest",
                [commands](Json arguments) { return commands->suggest(std::move(arguments)); });
  server.handle("policy.replay",
                [commands](Json arguments) { return commands->replay(std::move(arguments)); });
}

}  // namespace sealpost::admin
