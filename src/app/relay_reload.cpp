// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "app/host.hpp"
#include "app/intake_setup.hpp"
#include "app/relay.hpp"
#include "base/log.hpp"
#include "event/ask.hpp"

namespace sealpost::app {

// SIGHUP: the whole configuration is read and checked; only then does anything change (T-52). What only a start reads
// keeps its value, and the log names it.
event::Task<void> Relay::reload() {
  LoadResult loaded = load_config(config_.source.front() == '(' ? std::string() : config_.source);
  for (const Finding& finding : loaded.findings)
    (finding.kind == Finding::Kind::error ? log::error : log::warning)("configuration",
                                                                       {{"finding", finding.to_string()}});
  if (!loaded.ok()) {
    log::error("reload_refused", {{"why", "the configuration has errors; the former one stays in force"}});
    co_return;
  }
  std::shared_ptr<const tls::ServerIdentity> identity;
  if (!loaded.config.certificate.empty()) {
    auto read = tls::ServerIdentity::load(loaded.config.certificate, loaded.config.key, keys_);
    if (!read) {
      log::error("reload_refused", {{"why", read.error().detail}});
      co_return;
    }
    identity = *read;
  }
  auto dkim = load_dkim(loaded.config, keys_);
  if (!dkim) {
    log::error("reload_refused", {{"why", dkim.error().detail}});
    co_return;
  }
  Config& config = loaded.config;
  config.delivery.routing.own_addresses = config_.delivery.routing.own_addresses;
  auto rules = rules_from(config);
  if (!rules) {
    log::error("reload_refused", {{"why", rules.error().detail}});
    co_return;
  }
  config_.partners = config.partners;
  config_.delivery = config.delivery;
  dkim_ = std::move(*dkim);
  reporting_->use_keys(config, dkim_);
  notices_.set_settings(config.notices);
  connections_.set_caps(connection_caps(config.limits, (descriptors_.limit - descriptors_.reserved) / 2));
  rules_ = std::move(*rules);
  if (evidence_) evidence_->set_keep_days(config.evidence.keep_days);
  const bool same_listeners =
      config.listeners.size() == config_.listeners.size() &&
      std::equal(config.listeners.begin(), config.listeners.end(), config_.listeners.begin(),
                 [](const auto& a, const auto& b) { return a.address == b.address; });
  for (auto& worker : workers_) {
    auto apply = [this, &worker = *worker, identity, config, same_listeners] {
      worker.courier().set_rules(rules_);
      if (identity && worker.tls_server()) {
        if (const auto replaced = worker.tls_server()->replace(identity); !replaced)
          log::error("certificate_not_replaced", {{"why", replaced.error().detail}});
      }
      if (same_listeners) {
        for (std::size_t l = 0; l < worker.acceptors().size(); ++l)
          worker.acceptors()[l]->set_settings(
              intake_settings(config, config.listeners[l], worker.tls_server(), dkim_.relayed));
      }
      return true;
    };
    co_await event::ask(main_, worker->loop(), apply);
  }
  for (const std::string& key : keys_for_restart(config_.written, config.written))
    log::warning("reload_partial", {{"key", key}, {"why", "changes only with a restart"}});
  log::info("reloaded", {{"config", config_.source}, {"partners", rules_->partners.size()}});
  log::flush();
}

}  // namespace sealpost::app
