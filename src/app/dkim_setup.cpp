// SPDX-License-Identifier: Apache-2.0
#include "app/dkim_setup.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "mail/address.hpp"

namespace sealpost::app {
namespace {

constexpr unsigned good_rsa_bits = 2048;  // RFC 8301 §3.2: SHOULD

Expected<std::shared_ptr<const DkimKey>> load_key(const std::string& path, const keys::Source& keys) {
  const auto loaded = keys.load(path, keys::Use::signing);
  if (!loaded) return Error(loaded.error().code, "[dkim] key " + loaded.error().detail);
  auto key = DkimKey::elsewhere((*loaded)->public_key, (*loaded)->sign);
  if (!key) return Error(Errc::invalid, "[dkim] key " + path + ": " + key.error().detail);
  return key;
}

// What keeps receivers from verifying what this key signs; empty: nothing.
std::string problem_of(const dns::Answer& answer, const DkimSigner& signer, bool reports, bool relayed) {
  if (answer.status == dns::Status::failed) return "the lookup failed: " + answer.why;
  if (answer.texts.empty()) return "no key record is published";
  if (answer.texts.size() > 1)  // RFC 6376 §3.6.2.2: receivers may take any of them, or none
    return std::to_string(answer.texts.size()) + " key records are published where exactly one may be";
  std::string problem;
  if (relayed) problem = dkim_key_record_problem(answer.texts.front(), *signer.key, "email");
  if (problem.empty() && reports)
    problem = dkim_key_record_problem(answer.texts.front(), *signer.key, "tlsrpt");
  return problem;
}

std::string remedy_of(const DkimSigner& signer) {
  const bool rsa = signer.key->algorithm() == DkimKey::Algorithm::rsa_sha256;
  return std::string("publish: v=DKIM1; k=") + (rsa ? "rsa" : "ed25519") +
         "; p=" + signer.key->public_key_base64();
}

}  // namespace

Expected<DkimSetup> load_dkim(const Config& config, const keys::Source& keys) {
  DkimSetup setup;
  if (!config.dkim) return setup;
  std::vector<DkimKeyConfig> configured = config.dkim->also;
  DkimKeyConfig first;
  first.domain = config.dkim->domain;
  first.selector = config.dkim->selector;
  first.key = config.dkim->key;
  configured.insert(configured.begin(), std::move(first));
  for (const DkimKeyConfig& each : configured) {
    auto key = load_key(each.key, keys);
    if (!key) return key.error();
    DkimSigner signer;
    signer.domain = each.domain;
    signer.selector = each.selector;
    signer.key = *key;
    if (signer.domain == config.dkim->domain) setup.reports.push_back(signer);
    setup.all.push_back(std::move(signer));
  }
  if (config.dkim->sign_relayed) setup.relayed = std::make_shared<const DkimKeyring>(setup.all);
  return setup;
}

std::string report_signer_problem(const Config& config) {
  if (!config.dkim || !config.tls_rpt.send) return {};
  const std::string submitter = domain_of(config.tls_rpt.contact);
  const std::string& signs = config.dkim->domain;
  if (submitter == signs || submitter.ends_with("." + signs)) return {};
  return "reports are submitted by " + submitter + " (tls_rpt.contact) and signed by " + signs +
         " (dkim.domain); receivers drop them unless the signer is the submitter or a domain above it";
}

event::Task<std::string> check_published_keys(dns::Resolver& resolver, DkimSetup setup) {
  std::string first_of_reports;
  for (const DkimSigner& signer : setup.all) {
    const std::string name = signer.selector + "._domainkey." + signer.domain;
    const bool reports = std::any_of(setup.reports.begin(), setup.reports.end(), [&](const DkimSigner& each) {
      return each.selector == signer.selector && each.domain == signer.domain;
    });
    const dns::AnswerPtr answer = co_await resolver.query(name, dns::RrType::txt);
    const std::string problem = problem_of(*answer, signer, reports, setup.relayed != nullptr);
    if (problem.empty()) {
      log::info("dkim_key_checked", {{"name", name}});
    } else {
      const std::string remedy = remedy_of(signer);
      log::warning("dkim_key_problem", {{"name", name}, {"why", problem}, {"do", remedy}});
      if (reports && first_of_reports.empty()) first_of_reports = name + ": " + problem;
    }
    if (signer.key->algorithm() == DkimKey::Algorithm::rsa_sha256 && signer.key->bits() < good_rsa_bits)
      log::warning("dkim_key_short", {{"name", name},
                                      {"bits", signer.key->bits()},
                                      {"do", "make an RSA key of 2048 bits under a new selector"}});
  }
  co_return first_of_reports;
}

}  // namespace sealpost::app
