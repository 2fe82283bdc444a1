// SPDX-License-Identifier: Apache-2.0
//
// `tls_rpt.receive_http`: where other senders deliver TLS reports by HTTPS (RFC 8460 §5.4), on a loop and a thread of their own:
// however many come, they delay reports, and neither mail nor the control socket (ADR 46). What becomes of a report is the
// report desk's.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "admin/http_server.hpp"
#include "app/http_tls.hpp"
#include "app/report_desk.hpp"
#include "auth/bounded_table.hpp"
#include "base/log_limit.hpp"
#include "event/event_loop.hpp"

namespace sealpost::app {

// How many reports one address (one IPv6 /64) may bring within a day: as many at once, and they come back evenly. Counted is
// what is tried. Of more addresses than are remembered who was not seen for longest is forgotten; what all of them together
// may store is bounded elsewhere (tlsrpt::StrangersRoom).
class DayShares {
 public:
  static constexpr std::uint32_t usual = 2000;
  explicit DayShares(std::uint32_t a_day = usual) : step_(Duration(std::chrono::hours(24)) / a_day) {}
  // Zero: it may. Else: until when it may not.
  Duration ask(const IpAddress& client, SteadyTime now);

 private:
  static constexpr std::size_t most = 20'000;
  const Duration step_;
  auth::BoundedTable<SteadyTime> full_at_{most};  // when all of the day's is there again
};

class ReportEndpoint {
 public:
  struct Counters {
    std::atomic<std::uint64_t> taken{0};    // answered 2xx
    std::atomic<std::uint64_t> refused{0};  // answered 4xx
    std::atomic<std::uint64_t> put_off{0};  // answered 5xx
  };
  // `loop` is the endpoint's alone, and outlives all that may still post to it. `path`: where reports are brought.
  // `certificates`: those of the relay, asked at each connection; empty: it is spoken in clear, to a proxy.
  ReportEndpoint(event::EventLoop& loop, ReportDesk& desk, std::string path,
                 HttpTls::Certificates certificates, admin::HttpLimits limits = usual_limits());
  ~ReportEndpoint();
  static admin::HttpLimits usual_limits();

  Expected<void> listen(FileDescriptor socket);  // before start()
  void start();                                  // the thread
  void end() { loop_.stop(); }
  void stop();  // end(), and waits for the thread
  const Counters& counters() const noexcept { return counters_; }
  const admin::HttpServer::Counters& connections() const noexcept { return server_.counters(); }

 private:
  event::Task<admin::Page> take(admin::Visit visit);
  std::optional<admin::Page> over_its_share(const IpAddress& client);
  void answered(const IpAddress& client, const admin::Page& page);

  event::EventLoop& loop_;
  ReportDesk& desk_;
  HttpTls tls_;
  intake::ConnectionLimits places_;
  DayShares shares_;
  Counters counters_;
  log::LogLimit lines_{"report_post", 200, 20};
  admin::HttpServer server_;
  std::thread thread_;
};

}  // namespace sealpost::app
