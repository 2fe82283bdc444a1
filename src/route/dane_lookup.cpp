// SPDX-License-Identifier: Apache-2.0
#include "route/dane_lookup.hpp"
#include "tls/tlsa_records.hpp"

#include <algorithm>

namespace sealpost::delivery {

namespace {

using dns::AnswerPtr;
using dns::Dnssec;
using dns::RrType;
using dns::Status;

DaneState failed(std::string reason) {
  DaneState state;
  state.kind = DaneState::Kind::failed;
  state.failure_reason = std::move(reason);
  return state;
}

// "SERVFAIL from 127.0.0.1:53" as a token for a report, which must not name our resolver (T-47).
std::string reason_token(const std::string& why) {
  std::string token = why.substr(0, why.find(" from "));
  std::ranges::replace(token, ' ', '-');
  return token.empty() ? "lookup-failed" : token;
}

// RFC 7672 §3.2.2: what a certificate under a usage 2 record may name.
std::vector<std::string> reference_names(const NextHop& next_hop, const MxSet& mx, const std::string& base) {
  std::vector<std::string> names{base};
  const auto add = [&names](const std::string& name) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  };
  if (mx.implicit) {
    add(next_hop.domain);
  } else if (mx.dnssec == Dnssec::secure) {
    add(next_hop.domain);
    add(mx.expanded);
  }
  return names;
}

DaneState found_at(const dns::Answer& answer, const NextHop& next_hop, const MxSet& mx,
                   const std::string& base) {
  DaneState state;
  state.base_domain = base;
  state.all = answer.tlsa;
  const auto usable = [](const TlsaRecord& record) { return usable_for_smtp(record) && tls::parses(record); };
  std::ranges::copy_if(answer.tlsa, std::back_inserter(state.usable), usable);
  state.kind = state.usable.empty() ? DaneState::Kind::unusable : DaneState::Kind::usable;
  state.names = reference_names(next_hop, mx, base);
  return state;
}

// Which names TLSA records may stand under, best first (RFC 7672 §2.2.2, §2.2.3). Empty and no failure: DANE
// does not apply. The names between an alias and its end are never asked.
struct BaseDomains {
  BaseDomains() = default;
  std::vector<std::string> names;
  std::string failure;
};

event::Task<BaseDomains> base_domains(dns::Resolver& resolver, std::string host, bool secure,
                                      std::string canonical) {
  BaseDomains bases;
  const bool aliased = canonical != host;
  if (secure) {
    bases.names.push_back(canonical);
    if (aliased) bases.names.push_back(host);
    co_return bases;
  }
  if (!aliased) co_return bases;
  // AD=0 over a chain says only that some link is insecure: was it the first (§2.1.3)?
  const AnswerPtr alias = co_await resolver.query(host, RrType::cname);
  if (alias->status == Status::failed) {
    bases.failure = reason_token(alias->why);
  } else if (alias->status == Status::found && alias->dnssec == Dnssec::secure) {
    bases.names.push_back(host);
  }
  co_return bases;
}

event::Task<DaneState> look_up(dns::Resolver& resolver, const NextHop& next_hop, const MxSet& mx,
                               const std::string& host, const HostAddresses& addresses) {
  DaneState none;
  none.kind = DaneState::Kind::none;
  if (IpAddress::parse(host)) co_return none;  // §2.1.1: an address has no TLSA
  auto bases = co_await base_domains(resolver, host, addresses.secure, addresses.canonical);
  if (!bases.failure.empty()) co_return failed(std::move(bases.failure));
  for (const std::string& base : bases.names) {
    const std::string owner = "_" + std::to_string(next_hop.port) + "._tcp." + base;
    const AnswerPtr answer = co_await resolver.query(owner, RrType::tlsa);
    // §2.1.2: a failed query is no absence. The host must not be used, whatever the other name would say.
    if (answer->status == Status::failed) co_return failed(reason_token(answer->why));
    // Aliases on the way to the records must be secure too, and leave the base domain as it is (§2.2.3).
    if (answer->status == Status::found && answer->dnssec == Dnssec::secure)
      co_return found_at(*answer, next_hop, mx, base);
  }
  co_return none;
}

}  // namespace

event::Task<DaneState> find_dane(dns::Resolver& resolver, NextHop next_hop, MxSet mx, std::string host,
                                 HostAddresses addresses) {
  DaneState state;
  switch (resolver.dane_mode()) {
    case dns::DaneMode::off:
      state.kind = DaneState::Kind::disabled;
      state.failure_reason = resolver.dane_why();
      break;
    case dns::DaneMode::defer: state = failed("resolver-does-not-validate"); break;
    case dns::DaneMode::on: state = co_await look_up(resolver, next_hop, mx, host, addresses); break;
  }
  state.mx_secure = mx.dnssec == Dnssec::secure;
  co_return state;
}

}  // namespace sealpost::delivery
