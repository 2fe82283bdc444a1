// SPDX-License-Identifier: Apache-2.0
#include "history/pending.hpp"

#include <algorithm>

#include "base/digest.hpp"
#include "history/facts_codec.hpp"

namespace sealpost::history {
namespace {

// As the store tells kinds apart.
std::string kind_of(const Session& session) {
  const Ending& ending = session.ending;
  const CertificateFacts* certificate =
      session.facts.session ? session.facts.session->tls.certificate.get() : nullptr;
  std::string kind = to_utc_day(session.when);
  for (const std::string* part :
       {&session.recipient_domain, &session.policy_domain, &session.mx_host, &ending.partner,
        &ending.partner_hash, &ending.refused_by, &ending.result_type, &ending.reason_code})
    kind += '\n' + *part;
  kind += '\n' + std::to_string(static_cast<int>(ending.verdict)) + '\n' + encode(session.facts);
  if (certificate != nullptr) kind += '\n' + encode(*certificate);
  return sha256_hex(kind);
}

}  // namespace

bool Pending::add(const Session& session) {
  const std::string kind = kind_of(session);
  const auto found = kinds_.find(kind);
  if (found == kinds_.end()) {
    if (kinds_.size() >= most_kinds) return false;
    kinds_.emplace(kind, Counted(session));
  } else {
    Counted& counted = found->second;
    counted.handshakes += session.reused ? 0 : 1;
    counted.reuses += session.reused ? 1 : 0;
    counted.first = std::min(counted.first, session.when);
    counted.last = std::max(counted.last, session.when);
  }
  ++sessions_;
  return true;
}

std::vector<Counted> Pending::all() const {
  std::vector<Counted> list;
  list.reserve(kinds_.size());
  for (const auto& [kind, counted] : kinds_) list.push_back(counted);
  return list;
}

void Pending::clear() {
  kinds_.clear();
  sessions_ = 0;
}

}  // namespace sealpost::history
