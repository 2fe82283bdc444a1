// SPDX-License-Identifier: Apache-2.0
#include "app/dkim_setup.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "mail/address.hpp"
#include "publishing/key_record.hpp"

namespace sealpost::app {
namespace {

Expected<std::shared_ptr<const DkimKey>> load_key(const std::string& path, const keys::Source& keys) {
  const auto loaded = keys.load(path, keys::Use::signing);
  if (!loaded) return Error(loaded.error().code, "[dkim] key " + loaded.error().detail);
  auto key = DkimKey::elsewhere((*loaded)->public_key, (*loaded)->sign);
  if (!key) return Error(Errc::invalid, "[dkim] key " + path + ": " + key.error().detail);
  return key;
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
    const std::string name = publishing::key_record_name(signer);
    const bool reports = std::any_of(setup.reports.begin(), setup.reports.end(), [&](const DkimSigner& each) {
      return each.selector == signer.selector && each.domain == signer.domain;
    });
    const dns::AnswerPtr answer = co_await resolver.query(name, dns::RrType::txt);
    const publishing::KeyUse use(setup.relayed != nullptr, reports);
    const publishing::Item item = publishing::judge_key_record(*answer, signer, use);
    if (item.state != publishing::State::ok) {
      log::warning("dkim_key_problem", {{"name", name}, {"why", item.why}, {"do", item.remedy}});
      if (reports && first_of_reports.empty()) first_of_reports = name + ": " + item.why;
      continue;
    }
    log::info("dkim_key_checked", {{"name", name}});
    if (!item.remedy.empty())
      log::warning("dkim_key_short", {{"name", name}, {"bits", signer.key->bits()}, {"do", item.remedy}});
  }
  co_return first_of_reports;
}

}  // namespace sealpost::app
