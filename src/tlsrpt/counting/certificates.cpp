// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/counting/certificates.hpp"

#include "base/text.hpp"

namespace sealpost::tlsrpt {
namespace {

constexpr std::size_t most_name = 200;  // octets of a subject or issuer

}  // namespace

void note_certificate(SeenCertificates& seen, const SessionRecord& record) {
  if (!record.facts || !record.facts->tls.certificate || record.mx_host.empty()) return;
  const CertificateFacts& facts = *record.facts->tls.certificate;
  SeenCertificate& row = seen[{record.policy_domain, record.mx_host}];
  row.domain = record.policy_domain;
  row.mx_host = record.mx_host;
  row.trusted = facts.webpki.ok();
  const bool chain = row.trusted && facts.chain_expires != SystemTime{};
  row.expires = chain ? std::min(facts.chain_expires, facts.leaf_expires) : facts.leaf_expires;
  row.sha256 = facts.certificate_sha256;
  row.subject = text::printable(facts.subject, most_name);
  row.issuer = text::printable(facts.issuer, most_name);
  row.last_seen = record.when;
}

Expected<void> Certificates::keep(const SeenCertificates& seen) {
  if (seen.empty()) return {};
  return store_.in_transaction([&]() -> Expected<void> {
    auto insert = store_.statement("INSERT OR REPLACE INTO certificate VALUES(?1,?2,?3,?4,?5,?6,?7,?8)");
    if (!insert) return insert.error();
    for (const auto& [key, row] : seen) {
      const Use use(*insert);
      bind_text(insert->get(), 1, row.domain);
      bind_text(insert->get(), 2, row.mx_host);
      sqlite3_bind_int64(insert->get(), 3, to_unix(row.expires));
      sqlite3_bind_int(insert->get(), 4, row.trusted ? 1 : 0);
      bind_text(insert->get(), 5, row.sha256);
      bind_text(insert->get(), 6, row.subject);
      bind_text(insert->get(), 7, row.issuer);
      sqlite3_bind_int64(insert->get(), 8, to_unix(row.last_seen));
      if (sqlite3_step(insert->get()) != SQLITE_DONE) return store_.failure("keep a certificate");
    }
    return {};
  });
}

Expected<std::optional<SystemTime>> Certificates::expiry(const std::string& domain,
                                                         const std::string& mx_host) {
  auto query = store_.statement("SELECT expires FROM certificate WHERE domain=?1 AND mx_host=?2");
  if (!query) return query.error();
  bind_text(query->get(), 1, domain);
  bind_text(query->get(), 2, mx_host);
  std::optional<SystemTime> expires;
  const int step = sqlite3_step(query->get());
  if (step == SQLITE_ROW) expires = SystemTime(std::chrono::seconds(sqlite3_column_int64(query->get(), 0)));
  if (step != SQLITE_ROW && step != SQLITE_DONE) return store_.failure("read certificates");
  return expires;
}

}  // namespace sealpost::tlsrpt
