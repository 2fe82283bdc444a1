// SPDX-License-Identifier: Apache-2.0
//
// A worker: one thread, one event loop, its listeners and its share of the lanes. Everything a session or a
// delivery touches without a lock lives here.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "config/config.hpp"
#include "delivery/courier.hpp"
#include "dns/resolver_proxy.hpp"
#include "event/event_loop.hpp"
#include "event/socket_stream.hpp"
#include "intake/acceptor.hpp"
#include "tls/openssl_client.hpp"
#include "tls/openssl_server.hpp"

namespace sealpost::app {

// What all workers share; outlives them.
struct Shared {
  Shared(dns::CachingResolver& resolver_, sts::StsService& sts_, spool::Spool& spool_,
         tlsrpt::Recorder& recorder_, delivery::HostRegistry& hosts_, delivery::NxGuard& nx_guard_,
         delivery::Totals& totals_, history::Recorder* evidence_, SharedClock* clock_)
      : resolver(resolver_),
        sts(sts_),
        spool(spool_),
        recorder(recorder_),
        hosts(hosts_),
        nx_guard(nx_guard_),
        totals(totals_),
        evidence(evidence_),
        clock(clock_) {}
  dns::CachingResolver& resolver;
  sts::StsService& sts;
  spool::Spool& spool;
  tlsrpt::Recorder& recorder;
  delivery::HostRegistry& hosts;
  delivery::NxGuard& nx_guard;
  delivery::Totals& totals;
  history::Recorder* evidence;  // null: nothing is recorded
  SharedClock* clock;
  Health* health = nullptr;
  delivery::NoticeBudget* notices = nullptr;
  queue::Sites* sites = nullptr;
};

// What a worker's listeners begin TLS with; null without a certificate.
struct TlsServers {
  TlsServers() = default;
  std::shared_ptr<tls::OpensslServer> relay, submission;
  // `authorities`: whose certificates the listener asks for; null: none.
  std::shared_ptr<tls::Server> of(const ListenerConfig& listener,
                                  std::shared_ptr<const tls::ClientAuthorities> authorities) const {
    const std::shared_ptr<tls::OpensslServer>& server = listener.relays() ? relay : submission;
    if (!server || !authorities) return server;
    return std::make_shared<tls::AskingServer>(server, std::move(authorities));
  }
};

class Worker {
 public:
  // `loop` outlives all that may still post to it: the threads of spool, databases and resolver.
  Worker(event::EventLoop& loop, Shared& shared, queue::ShardSettings settings,
         const queue::Schedule& schedule, std::unique_ptr<tls::OpensslClient> tls);
  ~Worker();

  // Second step, when all shards exist. On the constructing thread, before start().
  void connect(queue::Dispatcher& dispatcher, delivery::RulesPtr rules);
  void start();  // the thread
  void end() { loop_.stop(); }
  void stop();  // end(), and waits for the thread

  event::EventLoop& loop() noexcept { return loop_; }
  queue::Shard& shard() noexcept { return shard_; }
  delivery::Context& context() noexcept { return *context_; }
  delivery::DeliveryCourier& courier() noexcept { return *courier_; }
  event::TaskScope& scope() noexcept { return scope_; }
  std::vector<std::unique_ptr<intake::Acceptor>>& acceptors() noexcept { return acceptors_; }
  TlsServers& tls_servers() noexcept { return tls_servers_; }

  // Stops taking mail on all listeners at once, lets sessions and couriers end, at most `grace` long; then waits for
  // the outcomes that are on their way to the journal, at most a second, and closes idle connections. What goes on
  // after that ends with stop(); its mail is in the journal.
  event::Task<void> drain(Duration grace);
  void hurry();  // the grace is over now; any thread

 private:
  event::Task<void> couriers_end(SteadyTime until);

  Shared& shared_;
  event::EventLoop& loop_;
  dns::ResolverProxy resolver_;
  event::SocketConnector connector_;
  std::unique_ptr<tls::OpensslClient> tls_;
  TlsServers tls_servers_;
  std::unique_ptr<delivery::Context> context_;
  std::unique_ptr<delivery::DeliveryCourier> courier_;
  queue::Shard shard_;
  std::vector<std::unique_ptr<intake::Acceptor>> acceptors_;
  bool hurried_ = false;  // on the loop's thread
  event::TaskScope scope_;
  std::thread thread_;
};

}  // namespace sealpost::app
