// SPDX-License-Identifier: Apache-2.0
//
// Rows of a ledger for people and programs: the short keys of a payload under their full names, and a line of plain words.
// Pure.
#pragma once

#include <string>

#include "ledger/questions.hpp"

namespace sealpost::ledger {

// As `--json` has it; docs/json/answers.schema.json, "ledger_row".
Json described(const FoundRow& row);
// "delivered to bob@example.org by mx.example.org [198.51.100.1]: 250 2.0.0 Ok"; several lines when there is a proof.
std::string in_words(const FoundRow& row);
// Of a proof (docs/spool-format.md): "TLSv1.3", "" without TLS; was a rule weaker by an exception?
std::string tls_version_of(const Json& proof);
bool by_exception(const Json& proof);
// What was asked, shown and judged: "partner Noord asks starttls webpki; TLSv1.3 TLS_AES_256_GCM_SHA384; certificate ...; deliver";
// "" for none.
std::string proof_in_words(const Json& proof);

// Of an entry of the history of rules, a line for each piece of news: "bank.test: weaker: TLS from verify to encrypt (file bank.toml,
// owner alice, approved by Bob: ticket 4711)".
std::vector<std::string> changes_in_words(const Json& entry);

}  // namespace sealpost::ledger
