// SPDX-License-Identifier: Apache-2.0
//
// What became of the mail for one partner or domain in some days, added up from the counts of a ledger (docs/ledger.md, Statements): what
// was demanded, how it was met, by which sessions and certificates, what an exception let through, what was refused and what waited.
// Counts and sums only, no addresses. Reads; nothing of it is verified.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "ledger/reader.hpp"

namespace sealpost::ledger {

using Json = nlohmann::json;

// Outcomes of recipients; of one that waited, each time that it did.
struct OutcomeCounts {
  std::int64_t delivered = 0;  // of those:
  std::int64_t by_exception = 0, not_met = 0,
               in_clear = 0;  // a rule that was weaker; a demand that is only observed failed; without TLS
  std::int64_t refused = 0;   // given up because a demand was not met
  std::int64_t failed = 0;    // given up for another reason
  std::int64_t removed = 0;   // by the operator
  std::int64_t waited_demand = 0, waited = 0;  // put off because a demand was not met; for another reason
  void add(const OutcomeCounts& other) noexcept;
};

struct DemandSeen {
  std::string source, origin, version,
      note;  // "partner", its name, SHA-256 of the rule's meaning, the exception that held
  std::vector<std::string> asks;
  bool enforced = true;
  std::string first_day, last_day;
  std::int64_t delivered = 0, kept_back = 0;
};
struct CertificateSeen {
  std::string sha256, subject, issuer, not_before,
      expires;  // RFC 3339; the chain's end, which is no later than the leaf's
  std::vector<std::string> names;
  std::set<std::string> hosts;
  bool webpki = false, dane = false;  // its chain holds by a recognised authority; it matches TLSA records
  std::string first_day, last_day;
  std::int64_t delivered = 0;
};

struct Statement {
  std::string partner, domain;  // one of them; a partner as its rule is called
  std::string from, to;         // dates, both included
  OutcomeCounts total;
  std::map<std::string, OutcomeCounts> days;
  std::map<std::string, std::int64_t>
      sessions;  // of what was delivered: "TLSv1.3 TLS_AES_256_GCM_SHA384", "not encrypted"
  std::map<std::string, std::int64_t>
      refusals;  // "partner: starttls-not-supported", of what was refused or put off
  std::map<std::string, std::int64_t> exceptions;  // note: recipients it let through
  std::map<std::string, DemandSeen> demands;
  std::map<std::string, CertificateSeen> certificates;
  Json changes = Json::array();            // of its rule in these days, as `policy history` has them
  std::vector<std::string> heads;          // of these days, as they are signed
  std::int64_t days_kept = 0, pruned = 0;  // of the ledger in these dates
  bool whole_month = false;                // the newest of these days is sealed, or there is a later one
};

struct StatementQuestion {
  StatementQuestion() = default;
  std::string partner, domain, from, to;  // partner or domain; dates
};

// Errc::not_found: the ledger has no day of these.
Expected<Statement> statement_of(Reader& reader, const StatementQuestion& question);
// Names of partners of whose rules the ledger has something, as their rules have them.
Expected<std::vector<std::string>> partners_in(Reader& reader);

Json described(const Statement& statement);

}  // namespace sealpost::ledger
