// SPDX-License-Identifier: Apache-2.0
#include "history/proof_text.hpp"

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "history/facts_codec.hpp"
#include "history/store.hpp"

namespace sealpost::history {
namespace {

using Json = nlohmann::json;
constexpr std::size_t longest_note = 200;

// A reply of the peer's says in its code what it means; the words behind it are its own.
std::string code_of(const std::string& reason) {
  const bool reply = !reason.empty() && reason.front() >= '0' && reason.front() <= '9';
  return reply ? stable_reply(reason) : text::printable(reason, 120);
}

Json failures_json(const std::vector<DemandFailure>& failures) {
  Json all = Json::array();
  for (const DemandFailure& failure : failures)
    all.push_back({{"type", failure.result_type}, {"code", code_of(failure.reason_code)}});
  return all;
}

Json demand_json(const Demand& demand, const DemandResult* result) {
  Json one{{"source", name_of(demand.source)},
           {"origin", demand.origin},
           {"version", demand.version},
           {"enforced", demand.enforced()},
           {"asks", axes_of(demand)}};
  if (!demand.note.empty()) one["note"] = text::printable(demand.note, longest_note);
  if (result != nullptr) one["failures"] = failures_json(result->failures);
  return one;
}

}  // namespace

std::vector<std::string> axes_of(const Demand& demand) {
  std::vector<std::string> axes;
  const auto add = [&](bool asked, const char* word) {
    if (asked) axes.emplace_back(word);
  };
  add(demand.starttls, "starttls");
  add(demand.webpki, "webpki");
  add(demand.match_mx_name, "mx-name");
  for (const std::string& name : demand.match_names) axes.push_back("name=" + name);
  add(demand.match_domain, "domain-name");
  for (const std::string& pattern : demand.mx_patterns) axes.push_back("mx=" + pattern);
  if (!demand.tlsa.empty()) axes.push_back("tlsa=" + demand.tlsa_set);
  for (const std::string& pin : demand.pins) axes.push_back("pin=" + pin);
  if (demand.minimum != TlsVersion::none) axes.push_back("minimum=" + std::string(name_of(demand.minimum)));
  add(demand.requiretls_offer, "requiretls");
  return axes;
}

std::string proof_text(const Session& session, const Decision& decision, const Judgement& judgement) {
  Json demands = Json::array();
  for (std::size_t i = 0; i < decision.requirement.demands.size(); ++i)
    demands.push_back(demand_json(decision.requirement.demands[i],
                                  i < judgement.results.size() ? &judgement.results[i] : nullptr));
  const Ending& ending = session.ending;
  Json all{{"domain", session.recipient_domain},
           {"policy_domain", session.policy_domain},
           {"mx", session.mx_host},
           {"partner", ending.partner},
           {"partner_hash", ending.partner_hash},
           {"demands", std::move(demands)},
           {"verdict", word_of(ending.verdict)}};
  if (!ending.refused_by.empty())
    all["refused_by"] = {
        {"source", ending.refused_by}, {"type", ending.result_type}, {"code", ending.reason_code}};
  // The facts and the certificate have an encoding of their own, which is canonical, too: it is put in as it stands.
  std::string text = all.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.pop_back();
  text += ",\"facts\":" + encode(session.facts);
  if (session.facts.session && session.facts.session->tls.certificate)
    text += ",\"certificate\":" + encode(*session.facts.session->tls.certificate);
  return text + "}";
}

}  // namespace sealpost::history
