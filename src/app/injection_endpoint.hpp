// SPDX-License-Identifier: Apache-2.0
//
// `injection.http`: where programs hand in mail by HTTP (docs/injection.md), on a loop and a thread of their own, as reports have
// (ADR 46). It says who asks and what HTTP answers; what becomes of a message is src/injection's, and intake's behind it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "admin/http_server.hpp"
#include "app/http_tls.hpp"
#include "auth/accounts.hpp"
#include "auth/brakes.hpp"
#include "base/log_limit.hpp"
#include "event/event_loop.hpp"
#include "injection/injector.hpp"

namespace sealpost::app {

class InjectionEndpoint {
 public:
  static constexpr std::uint32_t most_connections = 128;
  struct Counters {
    std::atomic<std::uint64_t> taken{0};     // answered 202, the messages alone
    std::atomic<std::uint64_t> repeated{0};  // answered 202 for one that had been taken
    std::atomic<std::uint64_t> refused{0};   // answered 4xx
    std::atomic<std::uint64_t> put_off{0};   // answered 5xx
    std::atomic<std::uint64_t> denied{0};    // of those refused: no good token
  };
  // `loop` is the endpoint's alone, and outlives all that may still post to it. What `services` refers to, `accounts` and
  // what `settings` asks outlive it. `settings`: as of now, from the endpoint's thread. `certificates` empty: it is spoken in
  // clear, to this machine.
  InjectionEndpoint(event::EventLoop& loop, auth::Accounts& accounts, const intake::Services& services,
                    injection::Injector::Settings settings, const std::string& data_dir, Health* health,
                    std::uint64_t most_message, HttpTls::Certificates certificates);
  ~InjectionEndpoint();

  // Before start(): messages in the journal that were handed in with a key, and are answered to whoever asks again.
  void recall(const std::vector<spool::StoredMessagePtr>& recovered);
  Expected<void> listen(FileDescriptor socket);  // before start()
  void start();                                  // the thread
  // From now on whoever comes is sent away; then busy() says when the last one has gone. Any thread.
  void drain() noexcept { draining_ = true; }
  bool busy() const noexcept { return under_way_.load() > 0; }
  void end() { loop_.stop(); }
  void stop();  // end(), and waits for the thread
  const Counters& counters() const noexcept { return counters_; }
  const admin::HttpServer::Counters& connections() const noexcept { return server_.counters(); }

 private:
  struct Admission;
  event::Task<Admission> admission(const admin::Visit& visit);
  event::Task<std::optional<admin::Page>> admit(const admin::Visit& visit);
  event::Task<admin::Page> take(admin::Visit visit);
  void answered(const IpAddress& client, const admin::Page& page);
  void log_denied(const IpAddress& client, std::string_view why);

  event::EventLoop& loop_;
  auth::Accounts& accounts_;
  HttpTls tls_;
  intake::ConnectionLimits places_;
  intake::BodyBudget memory_;
  auth::Brakes brakes_;
  Counters counters_;
  log::LogLimit lines_{"injection_refused", 200, 20};
  log::LogLimit denied_lines_{"injection_denied", 200, 20};
  std::atomic<bool> draining_{false};
  std::atomic<int> under_way_{0};
  injection::Injector injector_;
  admin::HttpServer server_;
  std::thread thread_;
};

}  // namespace sealpost::app
