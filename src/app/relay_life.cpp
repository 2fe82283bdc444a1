// SPDX-License-Identifier: Apache-2.0
//
// A relay's life: threads begin, it listens, signals come, and it ends in order.
#include <sysexits.h>

#include <utility>

#include "app/relay.hpp"
#include "base/log.hpp"
#include "base/planted.hpp"
#include "base/version.hpp"
#include "event/ask.hpp"
#include "event/listener.hpp"

namespace sealpost::app {
namespace {

using namespace std::chrono_literals;
constexpr auto exit_after_grace = 5s;  // outcomes, databases, threads
constexpr auto exit_after_second_signal = 2s;
constexpr auto dnssec_test_every = 30s;
constexpr auto loops_asked_every = 15s;  // without a watchdog

event::Task<bool> drained(Worker& worker, Duration grace) {
  co_await worker.drain(grace);
  co_return true;
}

// Drains a worker on its own loop, seen from the main one.
event::Task<void> drain_there(event::Loop& main, Worker& worker, Duration grace) {
  auto make = [&worker, grace] { return drained(worker, grace); };
  co_await event::ask_task(main, worker.scope(), make);
}

}  // namespace

int Relay::run() {
  resolver_scope_ = std::make_unique<event::TaskScope>(resolver_loop_);
  resolver_scope_->spawn(watch_dnssec());
  resolver_thread_ = std::thread([this] { resolver_loop_.run(); });
  for (auto& worker : workers_) {
    worker->shard().start(worker->courier());
    worker->start();
  }
  if (report_endpoint_) {
    report_endpoint_->start();
    log::info("listening", {{"address", config_.tls_rpt.receive_http->to_string()},
                            {"mode", "reports"},
                            {"url", config_.tls_rpt.receive_url}});
  }
  if (!rights_.warning().empty()) log::warning("rights", {{"why", rights_.warning()}});
  log::info("started", {{"version", version()},
                        {"hostname", config_.hostname},
                        {"config", config_.source},
                        {"data", config_.data_dir},
                        {"control", config_.control_socket},
                        {"workers", workers_.size()}});
  scope_.spawn(begin_mail());
  reporting_->use_keys(config_, in_force_.get()->dkim);
  scope_.spawn(keep_rules());
  scope_.spawn(reporting_->run());
  scope_.spawn(webhooks_->run());
  scope_.spawn(calendar_.run());
  scope_.spawn(addresses_.run());
  scope_.spawn(certificate_watch_.run());
  scope_.spawn(day_.run());
  scope_.spawn(control_->keep(health_));
  scope_.spawn(clock_->run(*pool_));
  watch_loops();
  postmaster_->start(scope_);
  listen_to_signals();
  main_.run();
  finish();
  return exit_code_;
}

void Relay::watch_loops() {
  std::vector<LoopWatch::Watched> loops{{"resolver", &resolver_loop_}};
  for (std::size_t w = 0; w < workers_.size(); ++w)
    loops.push_back({"worker " + std::to_string(w + 1), &workers_[w]->loop()});
  if (report_endpoint_) loops.push_back({"reports", report_loop_.get()});
  if (injection_loop_) loops.push_back({"injection", injection_loop_.get()});
  const auto limit = manager_.watchdog();
  const auto all_turn = [this] {
    manager_.alive();
    tell_manager();
  };
  loop_watch_ = std::make_unique<LoopWatch>(main_, std::move(loops), limit ? *limit / 4 : loops_asked_every,
                                            health_, all_turn);
  scope_.spawn(loop_watch_->run());
}

void Relay::tell_manager() {
  if (stopping_ || !taking_mail_) return;
  const auto troubles = health_.list();
  manager_.status("taking mail; " + std::to_string(spool_->counters().live_messages) + " messages wait" +
                  (troubles.empty() ? "" : "; NOT WELL (sealpost status): " + troubles.front().what));
}

// After the other threads have been started: this one takes the signals.
void Relay::listen_to_signals() {
  Signals::Handlers handlers;
  handlers.stop = [this] { stop(); };
  handlers.stop_at_once = [this] {
    stop();
    stop();
  };
  handlers.open_log = [] { log::reopen(); };
  handlers.reload = [this] {
    if (!stopping_) reloads_.request();
  };
  handlers.child = [this] {
    if (!stopping_ && rights_.keys_are_gone()) end_without_keys();
  };
  signals_ = std::make_unique<Signals>(main_, std::move(handlers));
}

// Nobody can begin TLS with us or be signed for any more; a service manager starts both processes anew.
void Relay::end_without_keys() {
  log::error("keys_gone",
             {{"why", "the key process ended"}, {"do", "find out why; the relay ends in order"}});
  exit_code_ = EX_TEMPFAIL;
  stop();
}

event::Task<void> Relay::watch_dnssec() {
  for (;;) {
    co_await dnssec_->test();
    co_await event::sleep_for(resolver_loop_, dnssec_test_every);
  }
}

event::Task<void> Relay::begin_mail() {
  // The recovered mail is sorted first and the suspects among it are tried last: nobody waits for them to listen.
  probation_ = std::make_unique<queue::Probation>(main_, *spool_, *dispatcher_);
  const auto recovered = spool_->take_recovered();
  begin_injection(recovered);
  probation_->begin(recovered);
  if (planted(Plant::probe_before_listen)) co_await probation_->run();

  for (std::size_t l = 0; l < sockets_.size() && !stopping_; ++l) {
    for (std::size_t w = 0; w < workers_.size(); ++w) {
      Worker& worker = *workers_[w];
      auto box = std::make_shared<FileDescriptor>(std::move(sockets_[l][w]));
      auto open = [&worker, l, box] {
        const auto listening = worker.acceptors()[l]->listen(worker.loop(), std::move(*box));
        return listening ? std::string() : listening.error().detail;
      };
      const std::string failed = co_await event::ask(main_, worker.loop(), open);
      if (failed.empty()) continue;
      const std::string address = config_.listeners[l].address.to_string();
      log::error("listener_failed", {{"address", address}, {"why", failed}});
      health_.raise("listening on " + address, "a worker does not listen there: " + failed,
                    "free descriptors or memory, then restart the relay");
    }
    log::info("listening", {{"address", config_.listeners[l].address.to_string()},
                            {"mode", name_of(config_.listeners[l].mode)},
                            {"tls", config_.certificates.empty() ? "off" : "offered"}});
  }
  open_injection();
  sockets_.clear();
  taking_mail_ = !stopping_;
  if (!stopping_) {
    manager_.ready();
    tell_manager();
    scope_.spawn(probation_->run());
    scope_.spawn(held_notices_->run());
    scope_.spawn(held_watch_->run());
  }
  log::flush();
}

// The first signal begins the end, the second one (or SIGQUIT) ends the grace.
void Relay::stop() {
  if (!stopping_) {
    stopping_ = true;
    if (injection_) injection_->drain();
    spool_->drain();  // first of all: a manager of services may kill us before the grace is over
    exit_guard_.arm(config_.shutdown_grace + exit_after_grace);
    manager_.stopping(config_.shutdown_grace + 2 * exit_after_grace);
    scope_.spawn(shut_down());
    return;
  }
  if (std::exchange(hurried_, true)) return;
  log::warning("stopping_at_once", {{"why", "a second signal, or SIGQUIT"}});
  exit_guard_.arm(exit_after_second_signal);
  for (auto& worker : workers_) worker->hurry();
}

event::Task<void> Relay::shut_down() {
  log::info("stopping", {{"why", "a signal"}, {"grace_s", config_.shutdown_grace.count()}});
  {
    event::TaskScope draining(main_);  // all at once: the grace is one for everyone
    draining.spawn(injection_ends());
    for (auto& worker : workers_) draining.spawn(drain_there(main_, *worker, config_.shutdown_grace));
    co_await draining.join();
  }
  main_.stop();
}

// Whoever posts to another thread is gone before anything is taken apart; what the workers have handed to the journal
// is committed by close().
void Relay::finish() {
  signals_.reset();
  end_threads();
  spool_->close();
  clock_->record_now();
  log::info("stopped", {{"data", config_.data_dir}});
  log::flush();
}

// All are told before one is waited for.
void Relay::end_threads() {
  for (auto& worker : workers_) worker->end();
  if (report_endpoint_) report_endpoint_->end();
  if (injection_) injection_->end();
  if (resolver_thread_.joinable()) resolver_loop_.stop();
  for (auto& worker : workers_) worker->stop();
  if (report_endpoint_) report_endpoint_->stop();
  if (injection_) injection_->stop();
  if (resolver_thread_.joinable()) resolver_thread_.join();
}

}  // namespace sealpost::app
