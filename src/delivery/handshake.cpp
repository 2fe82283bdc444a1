// SPDX-License-Identifier: Apache-2.0
#include "delivery/handshake.hpp"

#include <algorithm>

namespace sealpost::delivery {
namespace {

// The part of the session key that says what the handshake had to prove (T-07, S43).
std::string requirement_key(const Requirement& requirement) {
  std::string key;
  for (const Demand& demand : requirement.demands) {
    key += std::string(name_of(demand.source)) + (demand.force == Force::enforce ? "!" : "?") +
           demand.version + ";";
  }
  return key;
}

// RFC 7672 §8.1, RFC 8461 §7.1.
const std::string& server_name_for(const MxHost& host, const DaneState& dane) {
  return dane.kind == DaneState::Kind::usable ? dane.base_domain : host.name;
}

}  // namespace

Offer offer_of(const Plan& plan, const MxHost& host, const DaneState& dane, const Decision& decision) {
  Offer offer;
  offer.rules = plan.rules;
  offer.tls = decision.try_tls;
  offer.server_name = server_name_for(host, dane);
  offer.identity = plan.identity;
  offer.smart_host = plan.smart_host;
  return offer;
}

bool refused_ehlo(const smtp::SessionError& error) {
  return error.stage == smtp::Stage::ehlo && error.reply &&
         (error.reply->code == 500 || error.reply->code == 502);
}

bool stalled_in_handshake(const smtp::SessionError& error) {
  return error.stage == smtp::Stage::handshake && error.error.code == Errc::timed_out;
}

tls::ClientOptions client_options(const Plan& plan, const MxHost& host, const DaneState& dane,
                                  const Decision& decision, bool classical_only) {
  const bool by_dane = dane.kind == DaneState::Kind::usable;
  tls::ClientOptions options;
  options.server_name = server_name_for(host, dane);
  options.minimum = TlsVersion::tls1_2;
  for (const Demand& demand : decision.requirement.demands) {
    if (demand.force != Force::enforce) continue;
    options.minimum = std::max(options.minimum, demand.minimum);
    if (demand.needs_strength()) options.strong_only = true;
  }
  if (by_dane) options.tlsa = dane.usable;
  options.classical_groups_only = classical_only;
  options.session_key = host.name + ":" + std::to_string(plan.next_hop.port) + "|" +
                        plan.rules->settings.trust_id + "|" + requirement_key(decision.requirement);
  options.trust = plan.rules->trust;
  options.identity = plan.identity;
  options.bindings = plan.smart_host && plan.smart_host->account;
  return options;
}

}  // namespace sealpost::delivery
