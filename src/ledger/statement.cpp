// SPDX-License-Identifier: Apache-2.0
#include "ledger/statement.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "ledger/questions.hpp"
#include "ledger/words.hpp"
#include "sealpost/partner.hpp"

namespace sealpost::ledger {
namespace {

std::string part(const Json& object, const char* key) {
  const auto at = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

const Json& inner(const Json& object, const char* key) {
  static const Json none;
  if (!object.is_object()) return none;
  const auto at = object.find(key);
  return at == object.end() ? none : *at;
}

bool truth(const Json& object, const char* key, bool otherwise) {
  const Json& value = inner(object, key);
  return value.is_boolean() ? value.get<bool>() : otherwise;
}

std::string date_in(const Json& object, const char* key) {
  const Json& value = inner(object, key);
  return value.is_number_integer() ? to_rfc3339(SystemTime(std::chrono::seconds(value.get<std::int64_t>())))
                                   : std::string();
}

std::string session_of(const Json& proof) {
  const Json& session = inner(inner(proof, "facts"), "session");
  if (!session.is_object() || part(session, "starttls") != "established") return "not encrypted";
  return tls_version_of(proof) + " " + part(session, "cipher");
}

void widen(std::string& first, std::string& last, const std::string& date) {
  if (first.empty() || date < first) first = date;
  last = std::max(last, date);
}

class Adding {
 public:
  Adding(Statement& statement, const std::string& date) : statement_(statement), date_(date) {}

  void add(const Json& proof, const std::string& kind, std::int64_t rows) {
    if (!statement_.partner.empty()) statement_.partner = part(proof, "partner");  // as its rule is called
    const bool passed = kind == "delivered";
    const OutcomeCounts counts = counts_of(proof, kind, rows);
    statement_.total.add(counts);
    statement_.days[date_].add(counts);
    for (const Json& demand : inner(proof, "demands"))
      if (demand.is_object()) add_demand(demand, proof, passed, rows, counts);
    if (passed) {
      statement_.sessions[session_of(proof)] += rows;
      add_certificate(proof, rows);
    } else if (part(proof, "verdict") == "refuse") {
      const Json& refused = inner(proof, "refused_by");
      statement_.refusals[part(refused, "source") + ": " + part(refused, "type")] += rows;
    }
  }

 private:
  static OutcomeCounts counts_of(const Json& proof, const std::string& kind, std::int64_t rows) {
    OutcomeCounts counts;
    const std::string verdict = part(proof, "verdict");
    const bool by_demand = verdict == "refuse";
    if (kind == "delivered") {
      counts.delivered = rows;
      if (by_exception(proof)) counts.by_exception = rows;
      if (verdict != "deliver") counts.not_met = rows;
      if (session_of(proof) == "not encrypted") counts.in_clear = rows;
    } else if (kind == "failed") {
      (by_demand ? counts.refused : counts.failed) = rows;
    } else if (kind == "removed") {
      counts.removed = rows;
    } else {
      (by_demand ? counts.waited_demand : counts.waited) = rows;
    }
    return counts;
  }

  void add_demand(const Json& demand, const Json& proof, bool passed, std::int64_t rows,
                  const OutcomeCounts& counts) {
    const std::string note = part(demand, "note");
    DemandSeen& seen =
        statement_.demands[part(demand, "source") + "\n" + part(demand, "origin") + "\n" +
                           part(demand, "version") + "\n" + note + "\n" + inner(demand, "asks").dump()];
    seen.source = part(demand, "source");
    seen.origin = part(demand, "origin");
    seen.version = part(demand, "version");
    seen.note = note;
    seen.enforced = truth(demand, "enforced", true);
    if (seen.asks.empty())
      for (const Json& axis : inner(demand, "asks"))
        if (axis.is_string()) seen.asks.push_back(axis.get<std::string>());
    widen(seen.first_day, seen.last_day, date_);
    if (passed) seen.delivered += rows;
    if (counts.refused + counts.waited_demand > 0 &&
        part(inner(proof, "refused_by"), "source") == seen.source)
      seen.kept_back += rows;
    if (passed && note.starts_with("exception")) statement_.exceptions[note] += rows;
  }

  void add_certificate(const Json& proof, std::int64_t rows) {
    const Json& certificate = inner(proof, "certificate");
    const std::string sha256 = part(certificate, "sha256");
    if (sha256.empty()) return;
    CertificateSeen& seen = statement_.certificates[sha256];
    if (seen.sha256.empty()) {
      seen.sha256 = sha256;
      seen.subject = part(certificate, "subject");
      seen.issuer = part(certificate, "issuer");
      seen.not_before = date_in(certificate, "not_before");
      seen.expires = date_in(certificate, "chain_expires");
      for (const Json& name : inner(certificate, "names"))
        if (name.is_string()) seen.names.push_back(name.get<std::string>());
    }
    const Json& code = inner(inner(certificate, "webpki"), "code");
    seen.webpki = code.is_number_integer() && code.get<std::int64_t>() == 0;
    seen.dane = seen.dane || inner(certificate, "dane").is_object();
    seen.hosts.insert(part(proof, "mx"));
    widen(seen.first_day, seen.last_day, date_);
    seen.delivered += rows;
  }

  Statement& statement_;
  const std::string& date_;
};

bool is_theirs(const StatementQuestion& question, const Json& proof) {
  return question.partner.empty() ? text::iequals(part(proof, "domain"), question.domain)
                                  : text::iequals(part(proof, "partner"), question.partner);
}

// A day that an earlier release began has no counts: its rows are read.
Expected<void> add_by_rows(Reader& reader, Questions& questions, const StatementQuestion& question,
                           const ReadDay& day, Statement& statement) {
  Adding adding(statement, day.date);
  std::optional<Error> trouble;
  auto read = reader.rows_of_day(day.number, [&](const ReadRow& row) {
    if (row.payload.find(",\"r\":") == std::string_view::npos ||
        row.payload.find(",\"pf\":\"") == std::string_view::npos)
      return true;
    const Json payload = Json::parse(row.payload, nullptr, false);
    if (!payload.is_object()) return true;
    auto proof = questions.proof_of(payload);
    if (!proof) {
      trouble = proof.error();
      return false;
    }
    if (is_theirs(question, *proof)) adding.add(*proof, part(payload, "k"), 1);
    return true;
  });
  if (trouble) return *trouble;
  return read;
}

bool concerns(const Json& change, const StatementQuestion& question) {
  if (!question.partner.empty()) return text::iequals(part(change, "subject"), question.partner);
  for (const Json& pattern : inner(change, "domains"))
    if (pattern.is_string() && covers(pattern.get<std::string>(), question.domain)) return true;
  return false;
}

Expected<void> add_changes(Questions& questions, const StatementQuestion& question, Statement& statement) {
  auto rows = questions.rule_changes(question.from, question.to);
  if (!rows) return rows.error();
  for (const FoundRow& row : *rows) {
    if (!row.proof.is_object()) continue;
    Json entry = row.proof, about = Json::array();
    for (const Json& change : inner(entry, "changes"))
      if (concerns(change, question) || part(change, "kind") == "setting") about.push_back(change);
    if (about.empty()) continue;
    entry["changes"] = std::move(about);
    entry["row"] = row.number;
    statement.changes.push_back(std::move(entry));
  }
  return {};
}

}  // namespace

void OutcomeCounts::add(const OutcomeCounts& other) noexcept {
  delivered += other.delivered;
  by_exception += other.by_exception;
  not_met += other.not_met;
  in_clear += other.in_clear;
  refused += other.refused;
  failed += other.failed;
  removed += other.removed;
  waited_demand += other.waited_demand;
  waited += other.waited;
}

Expected<Statement> statement_of(Reader& reader, const StatementQuestion& question) {
  Statement statement;
  statement.partner = question.partner;
  statement.domain = question.domain;
  statement.from = question.from;
  statement.to = question.to;
  auto days = reader.days();
  if (!days) return days.error();
  auto counted = reader.counted_days();
  if (!counted) return counted.error();
  Questions questions(reader);
  std::map<std::int64_t, std::string> dates;
  for (const ReadDay& day : *days) {
    if (day.date > question.to) statement.whole_month = true;
    if (day.date < question.from || day.date > question.to) continue;
    ++statement.days_kept;
    statement.heads.push_back(day.head);
    if (day.pruned) {
      ++statement.pruned;
    } else if (counted->count(day.number) == 0) {
      if (auto added = add_by_rows(reader, questions, question, day, statement); !added) return added.error();
    } else {
      dates[day.number] = day.date;
    }
  }
  if (statement.heads.empty())
    return Error(Errc::not_found, "the ledger has no day from " + question.from + " to " + question.to);
  if (!dates.empty()) {
    const std::string name =
        question.partner.empty() ? "d:" + text::lower(question.domain) : "p:" + text::lower(question.partner);
    std::string last_digest;
    Json proof;
    auto read =
        reader.tallies(name, dates.begin()->first, dates.rbegin()->first, [&](const ReadTally& tally) {
          const auto date = dates.find(tally.day);
          if (date == dates.end()) return;
          if (tally.digest != last_digest) {
            last_digest = tally.digest;
            proof = Json::parse(tally.proof, nullptr, false);
          }
          if (proof.is_object())
            Adding(statement, date->second).add(proof, std::string(tally.kind), tally.rows);
        });
    if (!read) return read.error();
  }
  if (auto added = add_changes(questions, question, statement); !added) return added.error();
  return statement;
}

Expected<std::vector<std::string>> partners_in(Reader& reader) { return reader.counted_names("p:"); }

namespace {

Json counts_json(const OutcomeCounts& counts) {
  return {{"delivered", counts.delivered},
          {"delivered_by_exception", counts.by_exception},
          {"delivered_observed_failure", counts.not_met},
          {"delivered_in_clear", counts.in_clear},
          {"refused", counts.refused},
          {"failed", counts.failed},
          {"removed", counts.removed},
          {"waited_for_demand", counts.waited_demand},
          {"waited", counts.waited}};
}

Json pairs_json(const std::map<std::string, std::int64_t>& pairs, const char* name) {
  Json all = Json::array();
  for (const auto& pair : pairs) all.push_back({{name, pair.first}, {"recipients", pair.second}});
  return all;
}

}  // namespace

Json described(const Statement& statement) {
  Json days = Json::array(), demands = Json::array(), certificates = Json::array();
  for (const auto& day : statement.days) {
    Json one = counts_json(day.second);
    one["day"] = day.first;
    days.push_back(std::move(one));
  }
  for (const auto& pair : statement.demands) {
    const DemandSeen& one = pair.second;
    demands.push_back({{"source", one.source},
                       {"origin", one.origin},
                       {"version", one.version},
                       {"note", one.note},
                       {"asks", one.asks},
                       {"enforced", one.enforced},
                       {"first_day", one.first_day},
                       {"last_day", one.last_day},
                       {"delivered", one.delivered},
                       {"kept_back", one.kept_back}});
  }
  for (const auto& pair : statement.certificates) {
    const CertificateSeen& one = pair.second;
    certificates.push_back({{"sha256", one.sha256},
                            {"subject", one.subject},
                            {"issuer", one.issuer},
                            {"not_before", one.not_before},
                            {"expires", one.expires},
                            {"names", one.names},
                            {"hosts", one.hosts},
                            {"webpki", one.webpki},
                            {"dane", one.dane},
                            {"first_day", one.first_day},
                            {"last_day", one.last_day},
                            {"recipients", one.delivered}});
  }
  return {{"partner", statement.partner},
          {"domain", statement.domain},
          {"from", statement.from},
          {"to", statement.to},
          {"complete", statement.whole_month && statement.pruned == 0},
          {"total", counts_json(statement.total)},
          {"days", days},
          {"demands", demands},
          {"changes", statement.changes},
          {"exceptions", pairs_json(statement.exceptions, "exception")},
          {"refusals", pairs_json(statement.refusals, "reason")},
          {"sessions", pairs_json(statement.sessions, "session")},
          {"certificates", certificates},
          {"ledger_days", statement.days_kept},
          {"pruned_days", statement.pruned},
          {"heads", statement.heads}};
}

}  // namespace sealpost::ledger
