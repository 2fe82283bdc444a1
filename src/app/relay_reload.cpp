// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "app/host.hpp"
#include "app/intake_setup.hpp"
#include "app/relay.hpp"
#include "app/route_table.hpp"
#include "base/log.hpp"
#include "base/log_recent.hpp"
#include "delivery/log_in.hpp"
#include "event/ask.hpp"
#include "partner/load_config.hpp"

namespace sealpost::app {
namespace {

using namespace std::chrono_literals;

constexpr auto settle = 100ms;  // files that stay as they are so long are taken for complete
constexpr int most_looks = 50;
constexpr auto keep_again_every = 1min;

bool same_listeners(const Config& a, const Config& b) {
  return std::equal(a.listeners.begin(), a.listeners.end(), b.listeners.begin(), b.listeners.end(),
                    [](const auto& one, const auto& other) {
                      return one.address == other.address && one.mode == other.mode;
                    });
}

// What only a start reads keeps its value, so that what is compared, kept and shown is what is in force.
void keep_what_a_start_reads(Config& wanted, const Config& running) {
  wanted.delivery.routing.own_addresses = running.delivery.routing.own_addresses;
  wanted.dns = running.dns;
  if (!same_listeners(wanted, running)) wanted.listeners = running.listeners;
}

std::string listed(const std::vector<std::string>& keys) {
  std::string all;
  for (const std::string& key : keys) all += (all.empty() ? "" : ", ") + key;
  return all;
}

std::chrono::seconds lifetime(const InForce& in_force) {
  return in_force.config.delivery.schedule.settings().lifetime;
}

}  // namespace

// The whole configuration, read and checked, and what of it may go in; nothing has changed yet (T-52).
Expected<InForcePtr> Relay::read_again() {
  LoadResult loaded = load_config(config_.source.front() == '(' ? std::string() : config_.source);
  for (const Finding& finding : loaded.findings) {
    last_reload_.findings.push_back(finding.to_string());
    (finding.kind == Finding::Kind::error ? log::error : log::warning)("configuration",
                                                                       {{"finding", finding.to_string()}});
  }
  if (!loaded.ok()) return Error(Errc::invalid, "the configuration has errors");
  keep_what_a_start_reads(loaded.config, config_);
  const SystemTime now = main_.date();
  const auto admission = rule_keeper_.admit(std::move(loaded.config), now);
  Config config = admission.guarded.config;
  keep_accounts(in_force_.get()->config.routes, config.routes);
  auto next = make_in_force(std::move(config), keys_);
  if (!next) return next;
  if (auto kept = rule_keeper_.commit(admission, RuleKeeper::Moment::reload, now); !kept)
    return Error(kept.error().code, "the rules could not be written down first: " + kept.error().detail);
  if (ledger_) ledger_->rules_changed();  // before anything is judged by them
  for (const RuleNews& news : admission.guarded.news)
    if (news.held)
      last_reload_.held.push_back((news.setting ? "" : "rule ") + news.subject + ": " + news.text);
    else if (!news.setting)
      last_reload_.rules.push_back(news.subject + ": " + news.text);
  return next;
}

event::Task<void> Relay::reload() {
  ++reloads_begun_;
  last_reload_ = ReloadOutcome();
  if (taking_mail_) manager_.reloading();
  co_await read_and_put_in_force();
  if (taking_mail_ && !stopping_) manager_.ready();
  ++reloads_ended_;
  reload_ended_.notify();
}

// `sealpost reload`: one that begins after it was asked for, whole; where others wait too, it is theirs as well.
event::Task<admin::Answer> Relay::reload_for_who_asks() {
  if (stopping_)
    co_return admin::Answer(503, "the relay is ending", "start it again: a start reads all files");
  const std::uint64_t wanted = reloads_begun_ + 1;
  reloads_.request();
  while (reloads_ended_ < wanted) co_await reload_ended_.wait();
  co_return admin::Answer(to_json(last_reload_, config_.source));
}

// SIGHUP. What only a start reads keeps its value, and the log names it.
event::Task<void> Relay::read_and_put_in_force() {
  // A file that is being written may parse with half its rules: wait until nobody writes any more.
  SourceFiles seen;
  for (int look = 0; look < most_looks; ++look) {
    const LoadResult now = load_config(config_.source.front() == '(' ? std::string() : config_.source);
    if (look > 0 && now.config.sources == seen) break;
    seen = now.config.sources;
    co_await event::sleep_for(main_, settle);
  }
  if (stopping_) {
    last_reload_.refused = "the relay is ending";
    co_return;
  }
  auto next = read_again();
  if (!next) {
    last_reload_.refused = next.error().detail;
    log::error("reload_refused", {{"why", last_reload_.refused}, {"in_force", "what was before, all of it"}});
    log::flush();
    co_return;
  }
  co_await put_in_force(std::move(*next));
}

event::Task<void> Relay::put_in_force(InForcePtr next) {
  const InForcePtr former = in_force_.get();
  std::size_t past_lifetime = 0;
  in_force_.set(next);
  reporting_->use_keys(next->config, next->dkim);
  certificate_watch_.look();
  if (authenticator_) authenticator_->use(outside_rules(next->config.auth));
  log::keep_recent(http_ != nullptr && next->config.web.on());
  notices_.set_settings(next->config.notices);
  postmaster_->use(next->config);
  connections_.set_caps(
      connection_caps(next->config.limits, (descriptors_.limit - descriptors_.reserved) / 2));
  if (ledger_) ledger_->set_keep_days(next->config.ledger.keep_days);
  co_await webhooks_->use(next->config.webhooks, next->config.webhook_keeping,
                          next->config.delivery.routing.allow_destinations);
  if (evidence_) evidence_->set_keep_days(next->config.evidence.keep_days);
  for (auto& worker : workers_) {
    auto apply = [this, &worker = *worker, next, former] {
      worker.courier().set_rules(next->rules);
      worker.shard().ask_limits();
      worker.shard().set_schedule(next->config.delivery.schedule);
      for (const auto& server : {worker.tls_servers().relay, worker.tls_servers().submission}) {
        if (!next->certificates || !server) continue;
        if (const auto replaced = server->replace(next->certificates); !replaced)
          log::error("certificate_not_replaced", {{"why", replaced.error().detail}});
      }
      for (std::size_t l = 0; l < worker.acceptors().size(); ++l) {
        const ListenerConfig& listener = next->config.listeners[l];
        worker.acceptors()[l]->set_settings(intake_settings(
            next->config, listener, worker.tls_servers().of(listener, next->client_authorities[l]),
            next->dkim.relayed, authenticator_.get()));
      }
      return lifetime(*next) < lifetime(*former) ? worker.shard().past_lifetime() : 0;
    };
    const std::size_t there = co_await event::ask(main_, worker->loop(), apply);
    past_lifetime += there;
  }
  delivery::limit_sites(sites_, next->rules->limits);
  co_await route_anew(former, next);
  if (past_lifetime > 0)
    log::warning(
        "lifetime_shorter",
        {{"recipients", past_lifetime},
         {"why",
          "their mail has waited for longer than delivery.lifetime now allows: when its next "
          "attempt fails, too, it is returned to its sender"},
         {"do", "to keep it: a longer delivery.lifetime, and reload; `queue list` shows `expires`"}});
  if (former->trust->digest() != next->trust->digest())
    log::info("trust_changed", {{"file", next->config.trust}, {"roots", next->trust->size()}});
  tell_reloaded(*former, *next);
}

void Relay::tell_reloaded(const InForce& former, const InForce& next) {
  last_reload_.changed = keys_taken_over(former.config.written, next.config.written);
  last_reload_.restart = keys_for_restart(config_.written, next.config.written);
  last_reload_.partners = next.rules->partners.size();
  for (const std::string& key : last_reload_.restart)
    log::warning("reload_partial", {{"key", key}, {"why", "changes only with a restart"}});
  if (next.config.certificates.empty() != config_.certificates.empty()) {
    log::warning("reload_partial",
                 {{"key", "tls.certificate"}, {"why", "STARTTLS is switched on or off only with a restart"}});
    last_reload_.restart.push_back("tls.certificate");
  }
  log::info("reloaded", {{"config", config_.source},
                         {"changed", listed(last_reload_.changed)},
                         {"partners", last_reload_.partners}});
  log::flush();
}

// After the workers know the new ones: for a moment mail may come into a lane whose route they do not know any more, and is
// moved with the others.
event::Task<void> Relay::route_anew(InForcePtr former, InForcePtr next) {
  for (const std::string& name : routes_gone(former->config.routes, next->config.routes))
    health_.clear(delivery::login_trouble(name));
  if (!dispatcher_->set_routes(route_table(next->config))) co_return;
  std::size_t moved = 0;
  for (auto& worker : workers_) {
    auto look = [&dispatcher = *dispatcher_, &shard = worker->shard()] {
      return shard.retry([&dispatcher](const queue::Lane& lane, const queue::Job& job) {
        return dispatcher.misplaced(lane.key(), job);
      });
    };
    const std::size_t there = co_await event::ask(main_, worker->loop(), look);
    moved += there;
  }
  for (const RouteConfig& route : former->config.routes) {
    const bool stays = std::any_of(next->config.routes.begin(), next->config.routes.end(),
                                   [&](const RouteConfig& one) { return one.relay == route.relay; });
    const auto relay = delivery::NextHop::parse(route.relay);
    if (!stays && relay) health_.clear(delivery::trouble_of(*relay));
  }
  log::info("routes_changed", {{"messages_moved", moved}});
}

event::Task<void> Relay::keep_rules() {
  for (;;) {
    co_await event::sleep_for(main_, keep_again_every);
    if (rule_keeper_.tend(main_.date()) && ledger_) ledger_->rules_changed();
  }
}

}  // namespace sealpost::app
