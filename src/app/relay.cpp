// SPDX-License-Identifier: Apache-2.0
#include "app/relay.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "admin/domain_command.hpp"
#include "admin/policy_commands.hpp"
#include "admin/queue_commands.hpp"
#include "admin/report_commands.hpp"
#include "admin/report_reading.hpp"
#include "admin/spool_commands.hpp"
#include "app/backup_check.hpp"
#include "app/draft_rules.hpp"
#include "app/host.hpp"
#include "app/intake_setup.hpp"
#include "app/ledger_setup.hpp"
#include "app/port_owner.hpp"
#include "app/restore.hpp"
#include "app/route_table.hpp"
#include "app/sts_runtime.hpp"
#include "auth/accounts.hpp"
#include "base/durable_file.hpp"
#include "base/log.hpp"
#include "config/resolving.hpp"
#include "dns/servers.hpp"
#include "event/listener.hpp"
#include "event/sockaddr.hpp"
#include "spool/posix_disk.hpp"

namespace sealpost::app {
namespace {

// By what each run leaves behind.
bool was_used(const std::string& data_dir) {
  return !is_absent(data_dir + "/tlsrpt.db") || !is_absent(data_dir + "/sts.db");
}

unsigned worker_count(const Config& config) {
  return config.workers > 0 ? config.workers : std::max(1U, std::thread::hardware_concurrency());
}

// While the clock is in doubt nothing is old enough (T-50).
std::optional<SystemTime> date_to_forget_by(const Believed& time) {
  return time.in_doubt ? std::nullopt : std::optional(time.earliest);
}

using Sockets = std::vector<FileDescriptor>;

// One for each worker; the kernel spreads connections.
Expected<Sockets> bound(const Endpoint& address, unsigned count) {
  if (auto free = event::address_is_free(address); !free) return free.error();
  event::ListenOptions options;
  options.reuse_port = count > 1;
  options.absent = true;  // AddressWatch says so
  Sockets sockets;
  for (unsigned i = 0; i < count; ++i) {
    auto socket = event::listen_on(address, options);
    if (!socket) return socket.error();
    sockets.push_back(std::move(*socket));
  }
  return sockets;
}

bool has_submission(const Config& config) {
  const auto& listeners = config.listeners;
  return std::any_of(listeners.begin(), listeners.end(), [](const auto& one) { return !one.relays(); });
}

std::vector<Endpoint> addresses_of(const Config& config) {
  std::vector<Endpoint> addresses;
  for (const ListenerConfig& listener : config.listeners) addresses.push_back(listener.address);
  if (config.tls_rpt.receive_http) addresses.push_back(*config.tls_rpt.receive_http);
  if (config.injection.http) addresses.push_back(*config.injection.http);
  return addresses;
}

// Beside mail: connections of those who bring reports, or messages by HTTP with the files of injected.db, and one to each
// webhook with the files of webhooks.db.
std::uint64_t descriptors_besides(const Config& config) {
  const std::uint64_t reports =
      config.tls_rpt.receive_http ? ReportEndpoint::usual_limits().connections + 4 : 0;
  const std::uint64_t injection = config.injection.http ? InjectionEndpoint::most_connections + 7 : 0;
  const std::uint64_t webhooks = config.webhooks.empty() ? 0 : config.webhooks.size() + 3;
  return reports + injection + webhooks;
}

// A socket that a service manager handed over: all workers accept from the one.
Expected<Sockets> shared_by(const FileDescriptor& handed, unsigned count) {
  Sockets sockets;
  for (unsigned i = 0; i < count; ++i) {
    FileDescriptor copy(::fcntl(handed.get(), F_DUPFD_CLOEXEC, 0));
    if (!copy) return Error(Errc::unavailable, std::string("no descriptor: ") + std::strerror(errno));
    sockets.push_back(std::move(copy));
  }
  return sockets;
}

}  // namespace

class Relay::QueueSink final : public intake::Sink {
 public:
  explicit QueueSink(queue::Dispatcher& dispatcher) : dispatcher_(dispatcher) {}
  void accepted(spool::StoredMessagePtr message) override { dispatcher_.accepted(message); }

 private:
  queue::Dispatcher& dispatcher_;
};

Relay::Relay(Config config, const keys::Source& keys, Rights& rights)
    : keys_(keys),
      rights_(rights),
      config_(std::move(config)),
      rule_keeper_(config_.data_dir, health_),
      started_(main_.wall()),
      descriptors_(share_out(raise_descriptor_limit(), config_.limits.sessions, config_.listeners.size(),
                             worker_count(config_), descriptors_besides(config_))),
      hosts_(config_.connections_per_host, descriptors_.outbound),
      sites_(shard_settings(worker_count(config_)).concurrency),
      notices_(config_.notices),
      day_(main_, totals_),
      connections_(connection_caps(config_.limits, descriptors_.inbound)),
      bodies_(config_.limits.body_memory),
      calendar_(main_, [this] { return in_force_.get()->rules->partners; }),
      addresses_(main_, addresses_of(config_), health_, event::address_is_here),
      certificate_watch_(
          main_, [this] { return in_force_.get(); }, health_),
      scope_(main_),
      reloads_(scope_, [this] { return reload(); }),
      reload_ended_(main_) {}

Expected<std::unique_ptr<Relay>> Relay::create(Config config, const keys::Source& keys, Rights& rights) {
  // Before anything reads what is in data_dir, and while names in it may still be moved between directories.
  auto held = hold_data_dir(config.data_dir);
  if (!held) return held.error();
  if (held->restored)
    log::warning("restore_finished", {{"data", config.data_dir}, {"why", "it had been cut off"}});
  if (auto good = refuse_newer_databases(config.data_dir); !good) return good.error();
  std::unique_ptr<Relay> relay(new Relay(std::move(config), keys, rights));
  relay->data_dir_lock_ = std::move(held->lock);
  // Threads inherit what their maker has: the right to bind goes, and the walls stand, before there are any.
  if (auto done = relay->bind_listeners(); !done) return done.error();
  if (auto done = rights.confine(relay->config_); !done) return done.error();
  log::write_in_background();
  log::last_words_at_crash();
  relay->manager_.status("starting: reads the journal");
  const auto admission = relay->admit_rules();
  if (!admission) return admission.error();
  if (auto done = relay->open_parts(); !done) return done.error();
  // Only now: what another relay holds locked is not ours to write in.
  const SystemTime now = relay->main_.date();
  if (auto done = relay->rule_keeper_.commit(*admission, RuleKeeper::Moment::start, now); !done)
    return done.error();
  if (relay->ledger_) relay->ledger_->rules_changed();
  if (auto done = relay->open_workers(); !done) return done.error();
  relay->make_acceptors();
  relay->list_metrics();
  relay->serve_control();
  if (auto done = relay->serve_http(); !done) return done.error();
  if (auto done = relay->serve_report_posts(); !done) return done.error();
  if (auto done = relay->control_->listen(relay->config_.control_socket); !done) return done.error();
  return relay;
}

Relay::~Relay() { end_threads(); }

// Before anything is opened: no part ever knows rules that demand less than the record of those last in force.
Expected<RuleKeeper::Admission> Relay::admit_rules() {
  clock_ =
      std::make_unique<ClockKeeper>(main_, config_.data_dir, health_);  // dates of rules are judged by it
  resolver_loop_.ask_clock(&clock_->clock());
  auto admission = rule_keeper_.admit(std::move(config_), main_.date());
  config_ = admission.guarded.config;
  // Asked until the end of this run, and at each reload compared with what the record says: /etc/resolv.conf is read once.
  config_.dns.servers = resolver_settings(config_.dns).servers;
  auto in_force = make_in_force(config_, keys_);
  if (!in_force) return in_force.error();
  in_force_.set(std::move(*in_force));
  return admission;
}

// The roots in force, for who asks again at each request.
http::CurlClient::Trust Relay::trust() const {
  return [this] { return in_force_.get()->trust; };
}

Expected<void> Relay::open_parts() {
  const dns::ResolverSettings dns = resolver_settings(config_.dns);
  if (dns.servers.empty())
    return Error(Errc::invalid,
                 "no DNS server: /etc/resolv.conf names none; set [dns] servers = [\"127.0.0.1\"]");
  ares_ = std::make_unique<dns::AresResolver>(resolver_loop_, dns);
  resolver_ = std::make_unique<dns::CachingResolver>(resolver_loop_, *ares_);
  dnssec_ = std::make_unique<dns::DnssecWatch>(resolver_loop_, *ares_, ares_->ad_trusted(),
                                               dnssec_probe(config_.dns),
                                               config_.delivery.dane ? &health_ : nullptr);
  resolver_->use_watch(*dnssec_);

  // Nothing in it would say so: what was accepted is gone unless it is put back.
  if (was_used(config_.data_dir) && is_absent(config_.data_dir + "/spool"))
    health_.raise(
        "spool missing",
        "there was no directory " + config_.data_dir +
            "/spool at the start although sealpost had run in this data_dir: mail that waited there is gone",
        "stop sealpost, put the directory back where it was and start again; or look for mail in a backup "
        "with `sealpost spool recover FILE`");
  auto disk = spool::open_posix_disk(config_.data_dir + "/spool");
  if (!disk) return disk.error();
  disk_ = std::move(*disk);
  if (has_submission(config_) || config_.injection.http)
    authenticator_ =
        std::make_unique<auth::Accounts>(config_.data_dir, &health_, accounts_settings(config_.auth));
  pool_ = std::make_unique<event::ThreadPool>(4, 10'000);
  driver_ = spool::make_thread_driver();
  if (auto opened = open_spool(); !opened) return opened;

  auto sts = make_sts_service(resolver_loop_, config_, *resolver_, *pool_, trust(), health_);
  if (!sts) return sts.error();
  sts_ = std::move(*sts);
  // Whatever is wrong with a database, mail goes on and it is taken up again (D-23); a newer schema alone is a reason not
  // to start (D-26).
  tlsrpt::Store store(config_.data_dir + "/tlsrpt.db", &health_);
  if (auto opened = store.file().open(); !opened && opened.error().code == Errc::newer) return opened;
  recorder_ = std::make_unique<tlsrpt::DbRecorder>(std::move(store));
  recorder_->set_counting(config_.tls_rpt.enabled);
  return open_evidence();
}

Expected<void> Relay::open_spool() {
  std::vector<spool::FollowerOnDriver> followers;
  if (config_.ledger.enabled) {
    auto ledger = open_ledger(config_, health_);
    if (!ledger) return ledger.error();
    ledger_ = std::move(*ledger);
    ledger_driver_ = spool::make_thread_driver();
    followers.push_back({ledger_.get(), ledger_driver_.get()});
  }
  if (auto opened = open_webhooks(); !opened) return opened;
  followers.push_back({webhook_follower_.get(), webhook_driver_.get()});
  auto spool =
      spool::JournalSpool::open(*disk_, *driver_, *pool_, spool::SpoolOptions(), &health_, followers);
  if (!spool) return spool.error();
  spool_ = std::move(*spool);
  return {};
}

Expected<void> Relay::open_evidence() {
  if (!config_.evidence.enabled) {
    evidence_off_ = "[evidence] enabled = false";
    return {};
  }
  history::Store store(config_.data_dir + "/evidence.db", &health_);
  if (auto opened = store.file().open(); !opened && opened.error().code == Errc::newer) return opened;
  evidence_ = std::make_unique<history::DbRecorder>(std::move(store), config_.evidence.keep_days,
                                                    [this] { return date_to_forget_by(main_.believed()); });
  return {};
}

Expected<void> Relay::begin_tls(const std::shared_ptr<const tls::ServerCertificates>& certificates,
                                TlsServers& servers) const {
  tls::ServerOptions options;
  options.minimum = config_.minimum;
  auto relay = tls::OpensslServer::create(certificates, options);
  if (!relay) return relay.error();
  servers.relay = std::move(*relay);
  if (!has_submission(config_)) return {};
  options.strength = tls::Strength::submission;
  auto strong = tls::OpensslServer::create(certificates, options);
  if (!strong) return strong.error();
  servers.submission = std::move(*strong);
  return {};
}

// What the descriptors allow is shared out, so that no worker sends couriers who find none.
queue::ShardSettings Relay::shard_settings(unsigned workers) const {
  constexpr std::uint32_t most_places = 600;
  queue::ShardSettings settings;
  settings.couriers = std::clamp<std::uint32_t>(descriptors_.outbound / workers, 1, most_places);
  // One lane alone leaves others of the same host the usual number (ADR 35).
  const std::uint32_t host = config_.connections_per_host, usual = settings.concurrency.usual;
  settings.concurrency.most = host > 2 * usual ? host - usual : host;
  return settings;
}

Expected<void> Relay::open_workers() {
  shared_ = std::make_unique<Shared>(*resolver_, *sts_, *spool_, *recorder_, hosts_, nx_guard_, totals_,
                                     evidence_.get(), &clock_->clock());
  shared_->notices = &notices_;
  shared_->sites = &sites_;
  shared_->health = &health_;
  const InForcePtr in_force = in_force_.get();
  const unsigned count = worker_count(config_);
  std::vector<queue::Shard*> shards;
  for (unsigned i = 0; i < count; ++i) {
    auto client = tls::OpensslClient::create(in_force->trust);
    if (!client) return client.error();
    worker_loops_.push_back(std::make_unique<event::EventLoop>());
    worker_loops_.back()->ask_clock(&clock_->clock());
    workers_.push_back(std::make_unique<Worker>(*worker_loops_.back(), *shared_, shard_settings(count),
                                                config_.delivery.schedule, std::move(*client)));
    shards.push_back(&workers_.back()->shard());
    if (in_force->certificates)
      if (auto begun = begin_tls(in_force->certificates, workers_.back()->tls_servers()); !begun)
        return begun;
  }
  dispatcher_ =
      std::make_unique<queue::Dispatcher>(std::move(shards), route_table(config_), config_.delivery.schedule);
  sink_ = std::make_unique<QueueSink>(*dispatcher_);
  report_desk_ = std::make_unique<ReportDesk>(*recorder_);
  held_notices_ = std::make_unique<delivery::HeldNotices>(main_, *spool_, *dispatcher_, notices_);
  held_watch_ = std::make_unique<queue::HeldWatch>(main_, *dispatcher_, health_);
  for (auto& worker : workers_) worker->connect(*dispatcher_, in_force->rules);
  // On the resolver's thread; the workers' loops outlive it. Mail that a policy refused is due again with the next.
  sts_->on_change([this](const std::string& domain) {
    for (auto& worker : workers_) {
      queue::Shard& shard = worker->shard();
      worker->loop().post([&shard, domain] {
        shard.retry([&](const queue::Lane& lane, const queue::Job& job) {
          return delivery::waits_for_policy(lane.key(), job, domain);
        });
      });
    }
  });
  reporting_ = std::make_unique<Reporting>(main_, config_, *resolver_, *recorder_, trust(), *spool_,
                                           *dispatcher_, in_force->dkim, health_);
  begin_webhooks();
  own_domains_ = std::make_unique<OwnDomains>(
      main_, [this] { return in_force_.get(); }, *resolver_, trust());
  postmaster_ = std::make_unique<Postmaster>(main_, config_, *recorder_, *spool_, *dispatcher_, health_);
  return {};
}

Expected<void> Relay::bind_listeners() {
  std::vector<FileDescriptor> inherited = event::inherited_listeners();
  const unsigned count = worker_count(config_);
  // One that a service manager handed over, or one of our own.
  const auto sockets_at = [&inherited](const Endpoint& at, unsigned wanted) {
    const auto handed = std::find_if(inherited.begin(), inherited.end(), [&](const FileDescriptor& fd) {
      return event::local_of(fd.get()) == at;
    });
    if (handed == inherited.end()) return bound(at, wanted);
    auto sockets = shared_by(*handed, wanted);
    inherited.erase(handed);
    return sockets;
  };
  for (const ListenerConfig& listener : config_.listeners) {
    auto sockets = sockets_at(listener.address, count);
    if (!sockets) return listener_refused(listener.address, sockets.error());
    sockets_.push_back(std::move(*sockets));
  }
  if (config_.control_http) {
    auto sockets = sockets_at(*config_.control_http, 1);
    if (!sockets) return listener_refused(*config_.control_http, sockets.error(), "control.http");
    http_socket_ = std::move(sockets->front());
  }
  if (const auto& at = config_.tls_rpt.receive_http) {
    auto sockets = sockets_at(*at, 1);
    if (!sockets) return listener_refused(*at, sockets.error(), "tls_rpt.receive_http");
    report_socket_ = std::move(sockets->front());
  }
  if (const auto& at = config_.injection.http) {
    auto sockets = sockets_at(*at, 1);
    if (!sockets) return listener_refused(*at, sockets.error(), "injection.http");
    injection_socket_ = std::move(sockets->front());
  }
  for (const FileDescriptor& fd : inherited)
    log::warning("inherited_socket_unused",
                 {{"address", event::local_of(fd.get()).to_string()},
                  {"why", "nothing in the configuration listens at this address"}});
  return {};
}

intake::Services Relay::intake_services() {
  intake::Services services(*spool_, *sink_, connections_, bodies_, intake_counters_);
  services.reports = report_desk_.get();
  return services;
}

void Relay::make_acceptors() {
  const InForcePtr in_force = in_force_.get();
  const intake::Services services = intake_services();
  for (std::size_t l = 0; l < config_.listeners.size(); ++l) {
    const ListenerConfig& listener = config_.listeners[l];
    for (auto& worker : workers_)
      worker->acceptors().push_back(std::make_unique<intake::Acceptor>(
          worker->loop(), services,
          intake_settings(config_, listener,
                          worker->tls_servers().of(listener, in_force->client_authorities[l]),
                          in_force->dkim.relayed, authenticator_.get())));
  }
}

// It takes reports once its thread begins.
Expected<void> Relay::serve_report_posts() {
  if (!report_socket_) return {};
  report_loop_ = std::make_unique<event::EventLoop>();
  report_loop_->ask_clock(&clock_->clock());
  HttpTls::Certificates certificates;
  if (!config_.tls_rpt.receive_http->address.is_loopback())
    certificates = [this] { return in_force_.get()->certificates; };
  report_endpoint_ = std::make_unique<ReportEndpoint>(*report_loop_, *report_desk_,
                                                      report_path(config_.tls_rpt), std::move(certificates));
  return report_endpoint_->listen(std::move(report_socket_));
}

void Relay::serve_control() {
  control_ = std::make_unique<admin::ControlServer>(main_);
  admin::serve_queue_commands(*control_, main_, *dispatcher_, *spool_);
  admin::PolicyAccess access;
  access.context = &workers_.front()->context();
  access.scope = &workers_.front()->scope();
  access.rules = [this] { return in_force_.get()->rules; };
  access.evidence = evidence_.get();
  access.evidence_off = evidence_off_;
  access.read_rules = read_draft;
  admin::serve_policy_commands(*control_, main_, std::move(access));
  tlsrpt::ReportIdentity identity;
  identity.organization = config_.tls_rpt.organization;
  identity.contact = config_.tls_rpt.contact;
  admin::serve_report_commands(*control_, main_, *recorder_, reporting_->sender(), std::move(identity));
  admin::serve_report_reading(*control_, main_, *recorder_);
  admin::SpoolAccess spool_access{*pool_, *disk_, *spool_, *dispatcher_, health_};
  admin::serve_spool_commands(*control_, main_, spool_access);
  admin::serve_domain_command(*control_, own_domains_->access());
  postmaster_->serve(*control_);
  clock_->serve(*control_);
  control_->handle("policy.history",
                   [this](admin::Json arguments) { return rule_history(std::move(arguments)); });
  control_->handle("ledger.trail",
                   [this](admin::Json arguments) { return ledger_trail(std::move(arguments)); });
  control_->handle("ledger.erase",
                   [this](admin::Json arguments) { return erase_from_ledger(std::move(arguments)); });
  serve_webhooks();
  control_->handle("status", [this](admin::Json) { return status(); });
  control_->handle("reload", [this](admin::Json) { return reload_for_who_asks(); });
}

}  // namespace sealpost::app
