// SPDX-License-Identifier: Apache-2.0
#include "history/days.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>

#include "base/digest.hpp"
#include "history/facts_codec.hpp"

namespace sealpost::history {
namespace {

// Equal facts are decoded once. A row of them is believed when its digest holds, as Store::find() does.
class KnownFacts {
 public:
  std::shared_ptr<const Facts> of(std::int64_t id, sqlite::Statement& row, int first) {
    const auto known = known_.find(id);
    if (known != known_.end()) return known->second;
    return known_[id] = read(row, first);
  }

 private:
  static std::shared_ptr<const Facts> read(sqlite::Statement& row, int first) {
    const std::string text = row.text(first), certificate_text = row.text(first + 3);
    if (sha256_hex(text) != row.text(first + 1)) return nullptr;
    std::shared_ptr<const CertificateFacts> certificate;
    if (row.number(first + 2) != 0) {
      auto decoded = decode_certificate(certificate_text);
      if (!decoded || sha256_hex(certificate_text) != row.text(first + 4)) return nullptr;
      certificate = std::make_shared<const CertificateFacts>(std::move(*decoded));
    }
    auto decoded = decode_facts(text, std::move(certificate));
    return decoded ? std::make_shared<const Facts>(std::move(*decoded)) : nullptr;
  }
  std::unordered_map<std::int64_t, std::shared_ptr<const Facts>> known_;  // null: not to be believed
};

std::optional<Verdict> verdict_named(const std::string& word) {
  if (word == "deliver") return Verdict::deliver;
  if (word == "deliver-and-report") return Verdict::deliver_and_report;
  if (word == "refuse") return Verdict::refuse;
  return std::nullopt;
}

constexpr const char* by_day =
    "SELECT s.day, s.facts, f.facts, f.digest, f.certificate, c.facts, c.digest, e.verdict, m.name, "
    "sum(s.handshakes + s.reuses), max(s.last) FROM session s JOIN name d ON d.id=s.domain JOIN name m ON "
    "m.id=s.mx "
    "JOIN ending e ON e.id=s.ending JOIN facts f ON f.id=s.facts LEFT JOIN certificate c ON "
    "c.id=f.certificate "
    "WHERE s.day>=?1 AND (?2='' OR d.name=?2) AND (?3='' OR e.partner=?3) GROUP BY s.day, s.facts, s.mx, "
    "e.verdict ORDER BY s.day";

void add(DayOfSessions& day, const Facts& facts, Verdict verdict, const std::string& host,
         std::uint64_t sessions) {
  day.sessions.at(static_cast<std::size_t>(protection_of(facts, verdict, host))) += sessions;
  switch (verdict) {
    case Verdict::deliver: day.passed += sessions; break;
    case Verdict::deliver_and_report: day.reported += sessions; break;
    case Verdict::refuse: day.refused += sessions; break;
  }
}

void see(HostSeen& host, const Facts& facts, SystemTime when) {
  const CertificateFacts* certificate = facts.session ? facts.session->tls.certificate.get() : nullptr;
  if (when < host.last || (certificate == nullptr && host.last != SystemTime{})) return;
  host.last = when;
  if (certificate == nullptr) return;
  host.not_before = certificate->not_before;
  host.expires = certificate->leaf_expires;
}

}  // namespace

namespace {

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

Expected<Days> days_of(Store& store, const DaysWanted& wanted) {
  auto rows = store.file().statement(by_day);
  if (!rows) return rows.error();
  rows->bind(1, std::chrono::floor<std::chrono::days>(wanted.since).time_since_epoch().count())
      .bind(2, wanted.domain)
      .bind(3, wanted.partner);
  Days found;
  std::map<std::string, HostSeen> hosts;
  KnownFacts known;
  std::size_t count = 0;
  for (;;) {
    const auto row = rows->row();
    if (!row) return row.error();
    if (!*row) break;
    if (++count > most_rows) {
      found.cut = true;
      break;
    }
    const auto facts = known.of(rows->number(1), *rows, 2);
    const auto verdict = verdict_named(rows->text(7));
    const std::int64_t sessions = rows->number(9);
    if (!facts || !verdict || sessions < 0) {
      ++found.damaged;
      continue;
    }
    const std::string day = to_utc_day(SystemTime(std::chrono::days(rows->number(0))));
    if (found.days.empty() || found.days.back().day != day) {
      found.days.emplace_back();
      found.days.back().day = day;
    }
    const std::string host = rows->text(8);
    add(found.days.back(), *facts, *verdict, host, static_cast<std::uint64_t>(sessions));
    if (hosts.size() < most_hosts || hosts.count(host) > 0)
      see(hosts[host], *facts, SystemTime(std::chrono::seconds(rows->number(10))));
  }
  for (auto& [name, host] : hosts) {
    host.mx_host = name;
    found.hosts.push_back(std::move(host));
  }
  return found;
}

}  // namespace sealpost::history
