// SPDX-License-Identifier: Apache-2.0
#include "app/report_endpoint.hpp"

#include <algorithm>
#include <array>
#include <future>

#include "base/log.hpp"
#include "mail/message_id.hpp"

namespace sealpost::app {
namespace {

constexpr std::uint32_t most_connections = 64;
constexpr auto one_day = std::chrono::hours(24);

intake::ConnectionCaps caps_of(const admin::HttpLimits& limits) {
  intake::ConnectionCaps caps;
  caps.total = caps.client = caps.strangers = static_cast<std::uint32_t>(limits.connections);
  caps.stranger = 8;
  caps.stranger_network = 16;
  caps.stranger_rate = 120;
  return caps;
}

admin::Page not_now(std::string_view why, std::chrono::seconds when) {
  admin::Page page(503, std::string(why) + "\n");
  page.header("Retry-After", std::to_string(when.count()));
  return page;
}

// What a sender is told; the reason is in our log. What would be no other at a second try is 4xx.
admin::Page answer_to(const Expected<void>& taken) {
  if (taken) return admin::Page(200, "taken\n");
  switch (taken.error().code) {
    case Errc::invalid: return admin::Page(400, "there is no TLS report (RFC 8460) in it\n");
    case Errc::too_long: return admin::Page(413, "there is more in it than is taken at once\n");
    case Errc::no_space:
      return not_now("there is no room for more reports now; try again later", std::chrono::hours(1));
    default: return not_now("the report could not be stored now; try again later", std::chrono::minutes(5));
  }
}

// A host may use all of a /64.
std::string key_of(const IpAddress& client) {
  const auto octets = client.bytes();
  const std::size_t size = std::min<std::size_t>(octets.size(), 8);
  return std::string(octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(size));
}

}  // namespace

Duration DayShares::ask(const IpAddress& client, SteadyTime now) {
  SteadyTime& full_at = full_at_.at(key_of(client));
  const SteadyTime after = std::max(now, full_at) + step_;
  if (after - now > one_day) return after - now - one_day;
  full_at = after;
  return {};
}

admin::HttpLimits ReportEndpoint::usual_limits() {
  admin::HttpLimits limits;
  limits.connections = most_connections;
  limits.request = std::chrono::seconds(60);  // a report has 10 MiB at most, and some lines are slow
  limits.place = std::chrono::seconds(30);
  limits.turn = std::chrono::seconds(5);
  return limits;
}

ReportEndpoint::ReportEndpoint(event::EventLoop& loop, ReportDesk& desk, std::string path,
                               HttpTls::Certificates certificates, admin::HttpLimits limits)
    : loop_(loop), desk_(desk), tls_(certificates), places_(caps_of(limits)), server_(loop, {}, limits) {
  admin::HttpServer::Box box(
      std::move(path), [this](admin::Visit visit) { return take(std::move(visit)); }, places_, desk.room());
  box.encrypted_only = static_cast<bool>(certificates);
  box.refusal = [this](const IpAddress& client) { return over_its_share(client); };
  box.answered = [this](const IpAddress& client, const admin::Page& page) { answered(client, page); };
  server_.serve_box(std::move(box));
  if (certificates)
    server_.tls([this](std::unique_ptr<event::Stream> plain, Duration limit) {
      return tls_.begin(std::move(plain), limit);
    });
}

ReportEndpoint::~ReportEndpoint() { stop(); }

Expected<void> ReportEndpoint::listen(FileDescriptor socket) { return server_.listen(std::move(socket)); }

// As a worker's: the loop belongs to the thread that made it until it runs.
void ReportEndpoint::start() {
  std::promise<void> running;
  loop_.post([&running] { running.set_value(); });
  thread_ = std::thread([this] { loop_.run(); });
  running.get_future().wait();
}

void ReportEndpoint::stop() {
  if (!thread_.joinable()) return;
  loop_.stop();
  thread_.join();
}

event::Task<admin::Page> ReportEndpoint::take(admin::Visit visit) {
  PostedReport report;
  report.id = MessageId::make(loop_.date()).to_string();
  report.client = visit.client.to_string();
  report.encrypted = visit.tls != nullptr;
  report.octets = std::move(visit.form);
  const std::string client = report.client;
  const Expected<void> taken = co_await desk_.take_posted(loop_, std::move(report));
  admin::Page page = answer_to(taken);
  if (page.status >= 500 && lines_.allow(loop_.now()))
    log::warning("report_not_kept", {{"client", client}, {"why", taken.error().detail}});
  co_return page;
}

// A proxy on this machine speaks for everybody: how much one of them brings it has to bound itself.
std::optional<admin::Page> ReportEndpoint::over_its_share(const IpAddress& client) {
  if (client.is_loopback()) return std::nullopt;
  const Duration wait = shares_.ask(client, loop_.now());
  if (wait <= Duration::zero()) return std::nullopt;
  admin::Page page(429, "as many reports have come from this address as are taken within a day\n");
  page.header("Retry-After", std::to_string(std::chrono::ceil<std::chrono::seconds>(wait).count()));
  return page;
}

void ReportEndpoint::answered(const IpAddress& client, const admin::Page& page) {
  auto& counter = page.status < 400   ? counters_.taken
                  : page.status < 500 ? counters_.refused
                                      : counters_.put_off;
  counter.fetch_add(1, std::memory_order_relaxed);
  if (page.status < 400 || !log::enabled(log::Level::info) || !lines_.allow(loop_.now())) return;
  log::info("report_post_refused", {{"client", client.to_string()},
                                    {"status", page.status},
                                    {"why", page.body.substr(0, page.body.find('\n'))}});
}

}  // namespace sealpost::app
