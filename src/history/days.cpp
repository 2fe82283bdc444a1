// SPDX-License-Identifier: Apache-2.0
#include "history/days.hpp"

#include <algorithm>
#include <limits>
#include <map>

#include "history/facts_reader.hpp"

namespace sealpost::history {
namespace {

constexpr std::size_t most_known = 1024;  // facts: those of a domain lie together

// CROSS JOIN keeps the order of the tables: rows come as they lie, with nothing sorted and no index made for it.
constexpr const char* from_session =
    " FROM session s CROSS JOIN ending e ON e.id=s.ending CROSS JOIN name m ON m.id=s.mx "
    "WHERE s.day>=?1 AND (?3='' OR e.partner=?3)";
constexpr const char* of_domain = " AND s.domain=(SELECT id FROM name WHERE name=?2)";

Expected<sqlite::Statement> rows_of(Store& store, const DaysWanted& wanted, std::int64_t since,
                                    const std::string& columns) {
  const std::string sql = "SELECT " + columns + from_session + (wanted.domain.empty() ? "" : of_domain);
  auto rows = store.file().statement(sql.c_str());
  if (!rows) return rows;
  rows->bind(1, since).bind(3, wanted.partner);
  if (!wanted.domain.empty()) rows->bind(2, wanted.domain);
  return rows;
}

void add(DayOfSessions& day, const Facts& facts, Verdict verdict, const std::string& host,
         std::uint64_t sessions) {
  day.sessions.at(static_cast<std::size_t>(protection_of(facts, verdict, host))) += sessions;
  switch (verdict) {
    case Verdict::deliver: day.passed += sessions; break;
    case Verdict::deliver_and_report: day.reported += sessions; break;
    case Verdict::refuse: day.refused += sessions; break;
  }
}

// Rows come in any order.
void see(HostSeen& host, const Facts& facts, SystemTime when) {
  const CertificateFacts* certificate = facts.session ? facts.session->tls.certificate.get() : nullptr;
  const bool has_one = host.expires != SystemTime{};
  if (has_one != (certificate != nullptr) ? has_one : when < host.last) return;
  host.last = when;
  if (certificate == nullptr) return;
  host.not_before = certificate->not_before;
  host.expires = certificate->leaf_expires;
}

// A key that the records name is enough; below an issuer that they name the certificate must be of the host (RFC 7672 §3.1).
bool dane_names_hold(const Facts& facts, const CertificateFacts& certificate) {
  if (certificate.dane->matched_usage == 3) return true;
  return std::ranges::any_of(facts.dane.names,
                             [&](const auto& name) { return names_match(certificate.dns_names, name); });
}

}  // namespace

std::string_view name_of(Protection protection) noexcept {
  switch (protection) {
    case Protection::dane: return "dane";
    case Protection::mta_sts: return "mta_sts";
    case Protection::verified: return "verified";
    case Protection::encrypted: return "encrypted";
    case Protection::clear: return "clear";
    case Protection::refused: return "refused";
  }
  return "";
}

Protection protection_of(const Facts& facts, Verdict verdict, const std::string& mx_host) {
  if (verdict == Verdict::refuse) return Protection::refused;
  if (!facts.session || facts.session->starttls != StartTls::established) return Protection::clear;
  const CertificateFacts* certificate = facts.session->tls.certificate.get();
  if (certificate == nullptr) return Protection::encrypted;
  if (facts.mx_secure && certificate->dane && certificate->dane->chain.ok() &&
      dane_names_hold(facts, *certificate))
    return Protection::dane;
  if (!certificate->webpki.ok() || !names_match(certificate->dns_names, mx_host))
    return Protection::encrypted;
  const bool has_policy = facts.sts.kind == StsState::Kind::policy && facts.sts.policy &&
                          facts.sts.policy->mode != StsMode::none &&
                          std::ranges::any_of(facts.sts.policy->mx, [&](const auto& pattern) {
                            return mx_matches(pattern, mx_host);
                          });
  return has_policy ? Protection::mta_sts : Protection::verified;
}

namespace {

// The newest days that have no more than `most` rows together, and the newest in any case: from which on.
Expected<std::int64_t> newest_from(Store& store, const DaysWanted& wanted, std::int64_t since) {
  auto rows = rows_of(store, wanted, since, "s.day");
  if (!rows) return rows.error();
  std::map<std::int64_t, std::size_t> days;
  for (;;) {
    const auto row = rows->row();
    if (!row) return row.error();
    if (!*row) break;
    ++days[rows->number(0)];
    if (days.size() > most_days) days.erase(days.begin());
  }
  std::int64_t from = since;
  std::size_t sum = 0;
  for (auto day = days.rbegin(); day != days.rend(); ++day) {
    sum += day->second;
    if (sum > wanted.most && day != days.rbegin()) break;
    from = day->first;
  }
  return from;
}

struct Gathered {
  std::map<std::int64_t, DayOfSessions> days;
  std::map<std::string, HostSeen> hosts;
  std::uint64_t damaged = 0;
};

// False: there are more rows than `most`.
Expected<bool> gather(Store& store, const DaysWanted& wanted, std::int64_t since, std::size_t most,
                      Gathered& into) {
  auto rows =
      rows_of(store, wanted, since, "s.day, s.facts, e.verdict, m.name, s.handshakes + s.reuses, s.last");
  if (!rows) return rows.error();
  auto known = FactsReader::over(store.file(), most_known);
  if (!known) return known.error();
  for (std::size_t count = 0;; ++count) {
    const auto row = rows->row();
    if (!row) return row.error();
    if (!*row) return true;
    if (count == most) return false;
    const auto facts = known->of(rows->number(1));
    if (!facts) return facts.error();
    const auto verdict = verdict_named(rows->text(2));
    const std::int64_t sessions = rows->number(4);
    if (!*facts || !verdict || sessions < 0) {
      ++into.damaged;
      continue;
    }
    const std::string host = rows->text(3);
    add(into.days[rows->number(0)], **facts, *verdict, host, static_cast<std::uint64_t>(sessions));
    if (into.days.size() > most_days) into.days.erase(into.days.begin());
    if (into.hosts.size() < most_hosts || into.hosts.count(host) > 0)
      see(into.hosts[host], **facts, SystemTime(std::chrono::seconds(rows->number(5))));
  }
}

}  // namespace

Expected<Days> days_of(Store& store, const DaysWanted& wanted) {
  std::int64_t since = std::chrono::floor<std::chrono::days>(wanted.since).time_since_epoch().count();
  Days found;
  Gathered all;
  auto whole = gather(store, wanted, since, wanted.most, all);
  if (whole && !*whole) {
    found.cut = true;
    const auto from = newest_from(store, wanted, since);
    if (!from) return from.error();
    since = *from;
    all = Gathered();
    whole = gather(store, wanted, since, std::numeric_limits<std::size_t>::max(), all);
  }
  if (!whole) return whole.error();
  found.damaged = all.damaged;
  for (auto& [number, day] : all.days) {
    day.day = to_utc_day(SystemTime(std::chrono::days(number)));
    found.days.push_back(std::move(day));
  }
  for (auto& [name, host] : all.hosts) {
    host.mx_host = name;
    found.hosts.push_back(std::move(host));
  }
  return found;
}

}  // namespace sealpost::history
