// SPDX-License-Identifier: Apache-2.0
//
// The running relay: builds every part in order, wires them, starts the threads, and takes all of it down again. The
// one place that knows everyone. This is the front of the room; in order:
//
//   1. main.cpp          reads the configuration, settles in (rights.hpp), starts the key process
//   2. relay.cpp         builds: in_force.hpp (what a reload replaces), stores, resolver, workers (worker.hpp), control
//   3. relay_life.cpp    threads begin, it listens, signals come (signals.hpp), it ends (exit_guard.hpp)
//   4. relay_reload.cpp  everything of in_force.hpp anew, or nothing
//   5. relay_metrics.cpp what is counted (metric_lists.hpp), for /metrics and `status` alike; is it alive, is it ready
//   6. relay_pages.cpp   the web pages (web/site.hpp)
//   7. reporting.hpp, postmaster.hpp, clock_keeper.hpp   what runs beside mail
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "admin/control_server.hpp"
#include "admin/http_server.hpp"
#include "app/address_watch.hpp"
#include "app/certificate_watch.hpp"
#include "app/clock_keeper.hpp"
#include "app/day_series.hpp"
#include "app/exit_guard.hpp"
#include "app/host.hpp"
#include "app/in_force.hpp"
#include "app/injection_endpoint.hpp"
#include "app/loop_watch.hpp"
#include "app/observed.hpp"
#include "app/own_domains.hpp"
#include "app/postmaster.hpp"
#include "app/readiness.hpp"
#include "app/reload_outcome.hpp"
#include "app/report_desk.hpp"
#include "app/report_endpoint.hpp"
#include "app/reporting.hpp"
#include "app/rights.hpp"
#include "app/service_manager.hpp"
#include "app/signals.hpp"
#include "app/worker.hpp"
#include "auth/accounts.hpp"
#include "base/health.hpp"
#include "base/metrics.hpp"
#include "config/config.hpp"
#include "delivery/held_notices.hpp"
#include "dns/ares_resolver.hpp"
#include "dns/caching_resolver.hpp"
#include "dns/dnssec_watch.hpp"
#include "dns/resolver_proxy.hpp"
#include "event/blocking_pool.hpp"
#include "event/event_loop.hpp"
#include "event/one_at_a_time.hpp"
#include "history/db_recorder.hpp"
#include "http/curl_client.hpp"
#include "ledger/follower.hpp"
#include "partner/rule_calendar.hpp"
#include "partner/rule_keeper.hpp"
#include "queue/held_watch.hpp"
#include "queue/probation.hpp"
#include "spool/journal_spool.hpp"
#include "sts/service.hpp"
#include "tls/openssl_server.hpp"
#include "tls/server_certificates.hpp"
#include "tlsrpt/counting/db_recorder.hpp"
#include "web/site.hpp"
#include "webhooks/follower.hpp"
#include "webhooks/senders.hpp"

namespace sealpost::app {

class Relay {
 public:
  // Opens everything and replays the journal, but takes no mail yet. An error says what, where and what to do; then
  // nothing has been started.
  // `keys` and `rights` outlive the relay. On return the process has no rights left that it does not need.
  static Expected<std::unique_ptr<Relay>> create(Config config, const keys::Source& keys, Rights& rights);
  ~Relay();

  // Serves until SIGTERM, SIGINT or SIGQUIT; SIGHUP reloads. On the calling thread. The process's exit code.
  int run();

 private:
  Relay(Config config, const keys::Source& keys, Rights& rights);
  Expected<RuleKeeper::Admission> admit_rules();
  http::CurlClient::Trust trust() const;
  Expected<void> open_parts();
  Expected<void> open_spool();
  Expected<void> open_evidence();
  Expected<void> open_workers();
  Expected<void> begin_tls(const std::shared_ptr<const tls::ServerCertificates>& certificates,
                           TlsServers& servers) const;
  queue::ShardSettings shard_settings(unsigned workers) const;
  Expected<void> bind_listeners();  // sockets only
  intake::Services intake_services();
  void make_acceptors();
  void serve_control();
  void list_metrics();
  void list_parts();
  void list_report_posts();
  void list_injection();
  void list_troubles();
  Expected<void> serve_http();
  Expected<void> serve_report_posts();
  void begin_injection(const std::vector<spool::StoredMessagePtr>& recovered);
  void open_injection();
  event::Task<void> injection_ends();
  void serve_pages();
  event::Task<admin::Answer> shown_config();
  event::Task<admin::Answer> evidence_days(admin::Json arguments);
  void listen_to_signals();
  void watch_loops();
  void tell_manager();  // what it does, in a line

  event::Task<void> begin_mail();  // recovered mail, then the listeners
  event::Task<void> watch_dnssec();
  event::Task<void> reload();  // one at a time: reloads_
  event::Task<admin::Answer> reload_for_who_asks();
  event::Task<void> read_and_put_in_force();
  Expected<InForcePtr> read_again();
  event::Task<void> put_in_force(InForcePtr next);
  void tell_reloaded(const InForce& former, const InForce& next);
  event::Task<void> route_anew(InForcePtr former, InForcePtr next);
  event::Task<void> keep_rules();
  void end_without_keys();
  void stop();
  event::Task<void> shut_down();
  void end_threads();
  void finish();
  event::Task<void>
  observe();  // asks the loops for what only they know; within seconds, whoever stands still
  Standing standing() const;
  event::Task<admin::Page> metrics_page();
  event::Task<admin::Page> alive_page();
  event::Task<admin::Page> ready_page();
  event::Task<admin::Answer> status();
  event::Task<admin::Answer> rule_history(admin::Json arguments);
  event::Task<admin::Answer> ledger_trail(admin::Json arguments);
  event::Task<admin::Answer> erase_from_ledger(admin::Json arguments);
  admin::Json ledger_status() const;
  Expected<void> open_webhooks();  // the file, before the journal
  void begin_webhooks();           // what tells them
  void serve_webhooks();
  event::Task<admin::Answer> webhook_list();
  event::Task<admin::Answer> webhook_test(admin::Json arguments);
  event::Task<admin::Answer> webhook_replay(admin::Json arguments);
  event::Task<admin::Answer> webhook_pause(admin::Json arguments, bool paused);
  event::Task<admin::Answer> webhook_events(admin::Json arguments);

  class QueueSink;

  ExitGuard exit_guard_;          // to the very end
  FileDescriptor data_dir_lock_;  // until nothing in it is used: no restore moves names under a relay
  const ServiceManager manager_ = ServiceManager::of_environment();
  const keys::Source& keys_;
  Rights& rights_;
  Health health_;  // what every part may tell of
  Config config_;  // as the start read and admitted it; never changed once threads run
  RuleKeeper rule_keeper_;
  Published<InForce> in_force_;  // what reloads replace
  event::EventLoop main_;        // control, signals
  const SystemTime started_;
  event::EventLoop resolver_loop_;  // DNS and MTA-STS
  // The workers' loops. Threads of spool, databases and resolver post their answers to them until they end, so the
  // loops outlive all of those.
  std::vector<std::unique_ptr<event::EventLoop>> worker_loops_;
  std::unique_ptr<event::EventLoop> report_loop_;     // of report_endpoint_, likewise; null without
  std::unique_ptr<event::EventLoop> injection_loop_;  // of injection_
  std::thread resolver_thread_;
  std::unique_ptr<ClockKeeper> clock_;  // what all loops ask for the time

  std::unique_ptr<dns::AresResolver> ares_;
  std::unique_ptr<dns::DnssecWatch> dnssec_;
  std::unique_ptr<dns::CachingResolver> resolver_;  // its first questions wait for the watch
  std::unique_ptr<spool::Disk> disk_;               // what still runs in the pool uses it
  std::unique_ptr<event::ThreadPool> pool_;
  std::unique_ptr<spool::Driver> driver_;
  std::unique_ptr<ledger::LedgerFollower> ledger_;  // null: none is kept; reads the journal until that ends
  std::unique_ptr<spool::Driver> ledger_driver_;
  std::shared_ptr<webhooks::Store> webhook_store_;  // idle while no webhook is configured
  std::unique_ptr<webhooks::WebhookFollower> webhook_follower_;
  std::unique_ptr<spool::Driver> webhook_driver_;
  std::unique_ptr<spool::JournalSpool> spool_;
  std::unique_ptr<sts::StsService> sts_;
  std::unique_ptr<tlsrpt::DbRecorder> recorder_;
  std::unique_ptr<history::DbRecorder> evidence_;  // null: nothing is recorded
  std::string evidence_off_;                       // then why

  const DescriptorBudget descriptors_;
  delivery::HostRegistry hosts_;
  queue::Sites sites_;
  delivery::NxGuard nx_guard_;
  delivery::NoticeBudget notices_;
  delivery::Totals totals_;
  DaySeries day_;
  std::unique_ptr<Shared> shared_;
  std::unique_ptr<queue::Dispatcher> dispatcher_;
  std::unique_ptr<QueueSink> sink_;
  std::unique_ptr<ReportDesk> report_desk_;
  std::unique_ptr<ReportEndpoint> report_endpoint_;  // null: tls_rpt.receive_http is off
  std::unique_ptr<delivery::HeldNotices> held_notices_;
  std::unique_ptr<queue::HeldWatch> held_watch_;
  intake::ConnectionLimits connections_;
  intake::BodyBudget bodies_;
  intake::Counters intake_counters_;
  std::unique_ptr<auth::Accounts> authenticator_;  // null: nobody asks for it
  std::vector<std::unique_ptr<Worker>> workers_;   // sessions and couriers die here, before what they use
  std::unique_ptr<InjectionEndpoint>
      injection_;  // null: injection.http is off; hands to the workers what it has, to the end
  std::unique_ptr<Reporting> reporting_;
  std::unique_ptr<dns::ResolverProxy> webhook_resolver_;
  std::unique_ptr<http::CurlClient> webhook_http_;
  std::unique_ptr<webhooks::Senders> webhooks_;
  std::unique_ptr<OwnDomains> own_domains_;
  std::unique_ptr<queue::Probation> probation_;
  RuleCalendar calendar_;
  AddressWatch addresses_;
  CertificateWatch certificate_watch_;
  std::unique_ptr<Postmaster> postmaster_;
  std::unique_ptr<LoopWatch> loop_watch_;
  std::vector<std::vector<FileDescriptor>> sockets_;  // per listener, one per worker; until begin_mail()
  std::unique_ptr<event::TaskScope> resolver_scope_;
  Observed observed_;
  metrics::Registry registry_;  // reads all of the above
  std::unique_ptr<admin::ControlServer> control_;
  FileDescriptor http_socket_;       // until serve_http()
  FileDescriptor report_socket_;     // until serve_report_posts()
  FileDescriptor injection_socket_;  // until begin_injection()
  std::unique_ptr<web::Site> site_;
  std::unique_ptr<HttpTls> http_tls_;
  std::unique_ptr<admin::HttpServer> http_;  // null: control.http is off
  std::unique_ptr<Signals> signals_;
  bool taking_mail_ = false;
  bool stopping_ = false;
  bool hurried_ = false;
  int exit_code_ = 0;
  event::TaskScope scope_;
  event::OneAtATime reloads_;
  std::uint64_t reloads_begun_ = 0, reloads_ended_ = 0;
  ReloadOutcome last_reload_;
  event::Signal reload_ended_;
};

}  // namespace sealpost::app
