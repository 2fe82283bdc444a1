// SPDX-License-Identifier: Apache-2.0
#include "app/relay.hpp"

#include <event2/event.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "admin/policy_commands.hpp"
#include "admin/queue_commands.hpp"
#include "admin/report_commands.hpp"
#include "app/intake_setup.hpp"
#include "app/sts_runtime.hpp"
#include "base/log.hpp"
#include "base/version.hpp"
#include "dns/servers.hpp"
#include "event/ask.hpp"
#include "event/listener.hpp"
#include "spool/posix_disk.hpp"

namespace sealpost::app {
namespace {

using namespace std::chrono_literals;
constexpr auto drain_grace = 30s;
constexpr std::uint32_t interruptions_alone = 3;  // D-12
constexpr auto alone_limit = 5min;
constexpr auto dnssec_test_every = 5min;
constexpr rlim_t wanted_descriptors = 65'536;

// As many as are wanted, or as the system gives: that number.
rlim_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  rlimit raised = limit;
  raised.rlim_cur = std::min(std::max(limit.rlim_cur, wanted_descriptors), limit.rlim_max);
  return ::setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

Expected<void> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return Error(Errc::io, "data_dir " + path + " cannot be made: " + std::strerror(errno));
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    return Error(Errc::io, "data_dir " + path + ": " + std::strerror(errno));
  if (status.st_uid != ::geteuid() || (status.st_mode & 0077) != 0)
    return Error(Errc::refused,
                 "data_dir " + path +
                     " must belong to the relay's user and be closed to others; run: chown it, chmod 700 " +
                     path);
  return {};
}

unsigned worker_count(const Config& config) {
  return config.workers > 0 ? config.workers : std::max(1U, std::thread::hardware_concurrency());
}

event::Task<bool> drained(Worker& worker, Duration grace) {
  co_await worker.drain(grace);
  co_return true;
}

// Drains a worker on its own loop, seen from the main one.
event::Task<void> drain_there(event::Loop& main, Worker& worker) {
  auto make = [&worker] { return drained(worker, drain_grace); };
  co_await event::ask_task(main, worker.scope(), make);
}

}  // namespace

class Relay::QueueSink final : public intake::Sink {
 public:
  explicit QueueSink(queue::Dispatcher& dispatcher) : dispatcher_(dispatcher) {}
  void accepted(spool::StoredMessagePtr message) override { dispatcher_.accepted(message); }

 private:
  queue::Dispatcher& dispatcher_;
};

// Signals arrive as events of the main loop: handlers only set flags, in libevent (T-58).
class Relay::Signals {
 public:
  explicit Signals(Relay& relay) : relay_(relay) {
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
      events_.emplace_back(evsignal_new(relay.main_.base(), number, &Signals::arrived, this));
      event_add(events_.back().get(), nullptr);
    }
  }

 private:
  struct FreeEvent {
    void operator()(::event* event) const noexcept { event_free(event); }
  };
  static void arrived(evutil_socket_t number, short, void* self) {
    Relay& relay = static_cast<Signals*>(self)->relay_;
    if (number == SIGHUP) {
      if (!relay.stopping_) relay.scope_.spawn(relay.reload());
    } else if (!relay.stopping_) {
      relay.stopping_ = true;
      relay.scope_.spawn(relay.shut_down());
    } else {
      log::warning("stopping_at_once", {{"why", "a second signal"}});
      relay.main_.stop();
    }
  }
  Relay& relay_;
  std::vector<std::unique_ptr<::event, FreeEvent>> events_;
};

Relay::Relay(Config config)
    : config_(std::move(config)),
      started_(main_.wall()),
      hosts_(config_.connections_per_host),
      schedule_(config_.schedule),
      connections_(connection_caps(config_.limits, raise_descriptor_limit())),
      bodies_(config_.limits.body_memory),
      scope_(main_) {}

Expected<std::unique_ptr<Relay>> Relay::create(Config config) {
  std::unique_ptr<Relay> relay(new Relay(std::move(config)));
  if (auto done = relay->open_parts(); !done) return done.error();
  if (auto done = relay->open_workers(); !done) return done.error();
  if (auto done = relay->bind_listeners(); !done) return done.error();
  relay->serve_control();
  if (auto done = relay->control_->listen(relay->config_.control_socket); !done) return done.error();
  return relay;
}

Relay::~Relay() {
  for (auto& worker : workers_) worker->stop();
  if (resolver_thread_.joinable()) {
    resolver_loop_.stop();
    resolver_thread_.join();
  }
}

delivery::RulesPtr Relay::rules_from(const Config& config) const {
  auto rules = std::make_shared<delivery::Rules>();
  rules->settings = config.delivery;
  rules->partners = config.partners;
  return rules;
}

Expected<void> Relay::open_parts() {
  std::signal(SIGPIPE, SIG_IGN);
  if (auto made = make_directory(config_.data_dir); !made) return made;
  rules_ = rules_from(config_);

  auto trust = tls::TrustStore::load(config_.trust);
  if (!trust) return trust.error();
  trust_ = *trust;
  if (!config_.certificate.empty()) {
    auto identity = tls::ServerIdentity::load(config_.certificate, config_.key);
    if (!identity) return identity.error();
    identity_ = *identity;
  }

  dns::ResolverSettings dns;
  dns.servers = config_.dns.servers.empty() ? dns::system_servers() : config_.dns.servers;
  dns.trust_ad = config_.dns.trust_ad;
  if (dns.servers.empty())
    return Error(Errc::invalid,
                 "no DNS server: /etc/resolv.conf names none; set [dns] servers = [\"127.0.0.1\"]");
  ares_ = std::make_unique<dns::AresResolver>(resolver_loop_, dns);
  resolver_ = std::make_unique<dns::CachingResolver>(resolver_loop_, *ares_);
  dns::DnssecProbe probe;
  probe.signed_name = config_.dns.signed_name;
  probe.broken_name = config_.dns.broken_name;
  dnssec_ = std::make_unique<dns::DnssecWatch>(*resolver_, ares_->ad_trusted(), probe);
  resolver_->use_watch(*dnssec_);

  auto disk = spool::open_posix_disk(config_.data_dir + "/spool");
  if (!disk) return disk.error();
  disk_ = std::move(*disk);
  pool_ = std::make_unique<event::ThreadPool>(4, 10'000);
  driver_ = spool::make_thread_driver();
  auto spool = spool::JournalSpool::open(*disk_, *driver_, *pool_, spool::SpoolOptions());
  if (!spool) return spool.error();
  spool_ = std::move(*spool);

  auto sts = make_sts_service(resolver_loop_, config_, *resolver_, *pool_, trust_);
  if (!sts) return sts.error();
  sts_ = std::move(*sts);
  auto store = tlsrpt::Store::open(config_.data_dir + "/tlsrpt.db");
  if (!store) return store.error();
  recorder_ = std::make_unique<tlsrpt::DbRecorder>(std::move(*store));
  return {};
}

Expected<void> Relay::open_workers() {
  shared_ = std::make_unique<Shared>(*resolver_, *sts_, *spool_, *recorder_, hosts_, nx_guard_, totals_);
  const unsigned count = worker_count(config_);
  std::vector<queue::Shard*> shards;
  for (unsigned i = 0; i < count; ++i) {
    auto client = tls::OpensslClient::create(trust_);
    if (!client) return client.error();
    workers_.push_back(
        std::make_unique<Worker>(*shared_, queue::ShardSettings(), schedule_, std::move(*client)));
    shards.push_back(&workers_.back()->shard());
    if (identity_) {
      tls::ServerOptions options;
      options.minimum = config_.minimum;
      auto server = tls::OpensslServer::create(identity_, options);
      if (!server) return server.error();
      workers_.back()->tls_server() = std::move(*server);
    }
  }
  queue::RouteTable routes;
  for (const RouteConfig& route : config_.routes) routes.add(route.domain, route.relay);
  dispatcher_ = std::make_unique<queue::Dispatcher>(std::move(shards), std::move(routes), schedule_);
  sink_ = std::make_unique<QueueSink>(*dispatcher_);
  for (auto& worker : workers_) worker->connect(*dispatcher_, rules_, schedule_);
  auto signers = load_dkim_keys(config_);
  if (!signers) return signers.error();
  reporting_ = std::make_unique<Reporting>(main_, config_, *resolver_, *recorder_, trust_, *spool_,
                                           *dispatcher_, std::move(*signers));
  return {};
}

Expected<void> Relay::bind_listeners() {
  const intake::Services services(*spool_, *sink_, connections_, bodies_, intake_counters_);
  for (const ListenerConfig& listener : config_.listeners) {
    std::vector<event::UniqueFd> sockets;
    event::ListenOptions options;
    options.reuse_port = workers_.size() > 1;
    for (auto& worker : workers_) {
      auto socket = event::listen_on(listener.address, options);
      if (!socket) return socket.error();
      sockets.push_back(std::move(*socket));
      worker->acceptors().push_back(std::make_unique<intake::Acceptor>(
          worker->loop(), services, intake_settings(config_, listener, worker->tls_server())));
    }
    sockets_.push_back(std::move(sockets));
  }
  return {};
}

void Relay::serve_control() {
  control_ = std::make_unique<admin::ControlServer>(main_);
  admin::serve_queue_commands(*control_, main_, *dispatcher_, *spool_);
  admin::PolicyAccess access;
  access.context = &workers_.front()->context();
  access.scope = &workers_.front()->scope();
  access.rules = [this] { return rules_; };
  admin::serve_policy_commands(*control_, main_, std::move(access));
  tlsrpt::ReportIdentity identity;
  identity.organization = config_.tls_rpt.organization;
  identity.contact = config_.tls_rpt.contact;
  admin::serve_report_commands(*control_, main_, *recorder_, reporting_->sender(), std::move(identity));
  control_->handle("status", [this](admin::Json) { return status(); });
}

int Relay::run() {
  signals_ = std::make_unique<Signals>(*this);
  resolver_scope_ = std::make_unique<event::TaskScope>(resolver_loop_);
  resolver_scope_->spawn(watch_dnssec());
  resolver_thread_ = std::thread([this] { resolver_loop_.run(); });
  for (auto& worker : workers_) {
    worker->shard().start(worker->courier());
    worker->start();
  }
  log::info("started", {{"version", version()},
                        {"hostname", config_.hostname},
                        {"config", config_.source},
                        {"data", config_.data_dir},
                        {"control", config_.control_socket},
                        {"workers", workers_.size()}});
  scope_.spawn(begin_mail());
  scope_.spawn(reporting_->run());
  main_.run();
  log::info("stopped", {{"data", config_.data_dir}});
  log::flush();
  return 0;
}

event::Task<void> Relay::watch_dnssec() {
  for (;;) {
    co_await dnssec_->test();
    co_await event::sleep_for(resolver_loop_, dnssec_test_every);
  }
}

// A message whose attempts were cut off by three starts in a row may be what stops the relay: it goes first, with
// nothing beside it. If it does so again, the fourth start holds it, and no innocent mail waits for it (D-12).
event::Task<void> Relay::try_alone(spool::StoredMessagePtr message) {
  log::warning("message_tried_alone", {{"id", message->id.to_string()},
                                       {"why", "the relay stopped during its last three attempts"}});
  std::vector<spool::StoredMessagePtr> one{message};
  dispatcher_->recovered(one);
  const SteadyTime end = main_.now() + alone_limit;
  while (main_.now() < end) {
    co_await event::sleep_for(main_, 100ms);
    bool busy = false;
    for (queue::Shard* shard : dispatcher_->shards()) {
      auto look = [shard, id = message->id] {
        std::vector<queue::QueueEntry> entries;
        shard->find(id, entries);
        return std::any_of(entries.begin(), entries.end(), [](const auto& entry) {
          return entry.state == "active" || entry.state == "waiting";
        });
      };
      const bool here = co_await event::ask(main_, shard->loop(), look);
      busy = busy || here;
    }
    if (!busy) co_return;
  }
}

event::Task<void> Relay::begin_mail() {
  std::vector<spool::StoredMessagePtr> recovered = spool_->take_recovered();
  std::vector<spool::StoredMessagePtr> rest;
  for (auto& message : recovered) {
    const std::uint32_t cut_off = queue::interruptions(*message);
    if (cut_off == interruptions_alone && !message->held) {
      co_await try_alone(message);
      continue;
    }
    if (cut_off > interruptions_alone && !message->held) {
      const std::string reason = "the relay stopped while delivering it, alone, for the fourth time";
      log::error("message_held",
                 {{"id", message->id.to_string()},
                  {"why", reason},
                  {"do", "look at it with 'sealpost queue show', then release or remove it"}});
      const Expected<void> held = co_await spool_->hold(main_, message->id, true, reason);
      if (!held)
        log::error("hold_not_recorded", {{"id", message->id.to_string()}, {"why", held.error().detail}});
      auto copy = std::make_shared<spool::StoredMessage>(*message);
      copy->held = true;
      copy->hold_reason = reason;
      message = std::move(copy);
    }
    rest.push_back(std::move(message));
  }
  if (!recovered.empty()) log::info("recovered", {{"messages", recovered.size()}});
  dispatcher_->recovered(rest);

  for (std::size_t l = 0; l < sockets_.size(); ++l) {
    for (std::size_t w = 0; w < workers_.size(); ++w) {
      Worker& worker = *workers_[w];
      auto box = std::make_shared<event::UniqueFd>(std::move(sockets_[l][w]));
      auto open = [&worker, l, box] {
        const auto listening = worker.acceptors()[l]->listen(worker.loop(), std::move(*box));
        return listening ? std::string() : listening.error().detail;
      };
      const std::string failed = co_await event::ask(main_, worker.loop(), open);
      if (!failed.empty())
        log::error("listener_failed",
                   {{"address", config_.listeners[l].address.to_string()}, {"why", failed}});
    }
    log::info("listening", {{"address", config_.listeners[l].address.to_string()},
                            {"tls", identity_ ? "offered" : "off"}});
  }
  sockets_.clear();
  taking_mail_ = true;
  log::flush();
}

// SIGHUP: the whole configuration is read and checked; only then does anything change (T-52). Listeners, data_dir,
// workers and DNS servers keep what they started with.
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
    auto read = tls::ServerIdentity::load(loaded.config.certificate, loaded.config.key);
    if (!read) {
      log::error("reload_refused", {{"why", read.error().detail}});
      co_return;
    }
    identity = *read;
  }
  Config& config = loaded.config;
  config.delivery.routing.own_addresses = config_.delivery.routing.own_addresses;
  config_.partners = config.partners;
  config_.delivery = config.delivery;
  connections_.set_caps(connection_caps(config.limits, raise_descriptor_limit()));
  rules_ = rules_from(config);
  const bool same_listeners =
      config.listeners.size() == config_.listeners.size() &&
      std::equal(config.listeners.begin(), config.listeners.end(), config_.listeners.begin(),
                 [](const auto& a, const auto& b) { return a.address == b.address; });
  if (!same_listeners)
    log::warning("reload_partial", {{"why", "listener addresses change only with a restart"}});
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
              intake_settings(config, config.listeners[l], worker.tls_server()));
      }
      return true;
    };
    co_await event::ask(main_, worker->loop(), apply);
  }
  log::info("reloaded", {{"config", config_.source}, {"partners", rules_->partners.size()}});
  log::flush();
}

event::Task<void> Relay::shut_down() {
  log::info("stopping", {{"why", "a signal"}, {"grace_s", std::chrono::seconds(drain_grace).count()}});
  {
    event::TaskScope draining(main_);  // all at once: the grace is one for everyone
    for (auto& worker : workers_) draining.spawn(drain_there(main_, *worker));
    co_await draining.join();
  }
  spool_->close();
  main_.stop();
}

event::Task<admin::Answer> Relay::status() {
  std::size_t jobs = 0, lanes = 0, couriers = 0, sessions = 0, idle = 0;
  for (auto& worker : workers_) {
    struct Counts {
      std::size_t jobs, lanes, couriers, sessions, idle;
    };
    auto look = [&worker = *worker] {
      Counts counts{worker.shard().jobs(), worker.shard().lanes(), worker.shard().couriers(), 0,
                    worker.courier().idle_connections()};
      for (const auto& acceptor : worker.acceptors()) counts.sessions += acceptor->sessions();
      return counts;
    };
    const Counts counts = co_await event::ask(main_, worker->loop(), look);
    jobs += counts.jobs;
    lanes += counts.lanes;
    couriers += counts.couriers;
    sessions += counts.sessions;
    idle += counts.idle;
  }
  const auto spool = spool_->counters();
  const auto healthy = spool_->room_for(0);
  admin::Json body;
  body["version"] = version();
  body["state"] = stopping_ ? "stopping" : taking_mail_ ? "running" : "starting";
  body["hostname"] = config_.hostname;
  body["config"] = config_.source;
  body["data_dir"] = config_.data_dir;
  body["started"] = to_rfc3339(started_);
  body["dnssec"]["state"] = dns::name_of(dnssec_->state());
  body["dnssec"]["explanation"] = dnssec_->explanation();
  body["queue"]["jobs"] = jobs;
  body["queue"]["lanes"] = lanes;
  body["queue"]["couriers"] = couriers;
  body["queue"]["idle_connections"] = idle;
  body["intake"]["sessions"] = sessions;
  body["intake"]["connections"] = intake_counters_.connections.load();
  body["intake"]["turned_away"] = intake_counters_.turned_away.load();
  body["intake"]["messages"] = intake_counters_.messages.load();
  body["intake"]["recipients"] = intake_counters_.recipients.load();
  body["intake"]["octets"] = intake_counters_.octets.load();
  body["intake"]["refused"] = intake_counters_.refused.load();
  body["delivery"]["delivered"] = totals_.delivered.load();
  body["delivery"]["deferred"] = totals_.deferred.load();
  body["delivery"]["bounced"] = totals_.bounced.load();
  body["delivery"]["dsns"] = totals_.dsns.load();
  body["delivery"]["connections"] = totals_.connections.load();
  body["delivery"]["reused"] = totals_.reused.load();
  body["delivery"]["handshakes"] = totals_.handshakes.load();
  body["delivery"]["encrypted"] = totals_.encrypted.load();
  body["delivery"]["clear"] = totals_.clear.load();
  body["delivery"]["refused_by_policy"] = totals_.refused_by_policy.load();
  body["spool"]["state"] = healthy ? "ok" : healthy.error().detail;
  body["spool"]["messages"] = spool.messages;
  body["spool"]["groups"] = spool.groups;
  body["spool"]["syncs"] = spool.syncs;
  body["spool"]["octets"] = spool.octets;
  body["spool"]["failures"] = spool.failures;
  body["spool"]["segments"] = spool.segments;
  body["spool"]["live_messages"] = spool.live_messages;
  body["tls_rpt"]["sessions_counted"] = recorder_->counted();
  body["tls_rpt"]["sessions_dropped"] = recorder_->dropped();
  co_return admin::Answer(std::move(body));
}

}  // namespace sealpost::app
