// SPDX-License-Identifier: Apache-2.0
//
// What is counted, gathered in one registry; and what control.http says of it.
#include <algorithm>

#include "app/metric_lists.hpp"
#include "app/readiness.hpp"
#include "app/relay.hpp"
#include "base/log.hpp"
#include "base/version.hpp"
#include "event/ask.hpp"

namespace sealpost::app {
namespace {

using namespace std::chrono_literals;
using metrics::Sample;

constexpr auto observed_within = 2s;

event::Task<Expected<Observed::OfWorker>> look_at(event::Loop& main, Worker& worker) {
  auto look = [&worker] {
    Observed::OfWorker seen;
    seen.jobs = worker.shard().jobs();
    seen.lanes = worker.shard().lanes();
    seen.couriers = worker.shard().couriers();
    seen.idle = worker.courier().idle_connections();
    seen.waiting = worker.shard().waiting();
    for (const auto& acceptor : worker.acceptors()) seen.sessions += acceptor->sessions();
    seen.answered = true;
    return seen;
  };
  const Observed::OfWorker seen = co_await event::ask(main, worker.loop(), look);
  co_return seen;
}

event::Task<void> observe_worker(event::Loop& main, Worker& worker, Observed::OfWorker& into) {
  const auto seen = co_await event::within(main, observed_within, look_at(main, worker));
  if (seen)
    into = *seen;
  else
    into.answered = false;
}

struct OfNames {
  dns::CachingResolver::Counters counters;
  std::size_t kept = 0;
};

event::Task<Expected<OfNames>> look_at(event::Loop& main, dns::CachingResolver& resolver) {
  auto look = [&resolver] {
    OfNames seen;
    seen.counters = resolver.counters();
    seen.kept = resolver.cache().size();
    return seen;
  };
  const OfNames seen = co_await event::ask(main, resolver.loop(), look);
  co_return seen;
}

event::Task<void> observe_names(event::Loop& main, dns::CachingResolver& resolver, Observed& into) {
  const auto seen = co_await event::within(main, observed_within, look_at(main, resolver));
  if (!seen) co_return;
  into.names = seen->counters;
  into.names_kept = seen->kept;
}

// One line each.
std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

admin::Page page_of(const std::vector<std::string>& why_not, const char* well) {
  if (why_not.empty()) return admin::Page(200, std::string(well) + "\n");
  return admin::Page(503, joined(why_not));
}

}  // namespace

event::Task<void> Relay::observe() {
  observed_.workers.resize(workers_.size());
  event::TaskScope asking(main_);  // all at once: who stands still is waited for once
  for (std::size_t w = 0; w < workers_.size(); ++w)
    asking.spawn(observe_worker(main_, *workers_[w], observed_.workers[w]));
  asking.spawn(observe_names(main_, *resolver_, observed_));
  co_await asking.join();
}

// ---- the list
// -------------------------------------------------------------------------------------------------

void Relay::list_metrics() {
  list_intake(registry_, intake_counters_, connections_, observed_);
  list_queue(registry_, observed_);
  list_delivery(registry_, totals_);
  list_sites(registry_, sites_, hosts_.rates());
  list_notices(registry_, notices_);
  list_spool(registry_, *spool_);
  list_names(registry_, ares_->counters(), observed_);
  list_policies(registry_, sts_->counters());
  list_parts();
  list_report_posts();
  list_injection();
  list_troubles();
}

void Relay::list_parts() {
  const auto number = [](auto value) { return static_cast<double>(value); };
  registry_.gauges("sealpost_build_info", "1, with the version of this program.", [] {
    return std::vector<Sample>{Sample({{"version", std::string(version())}}, 1)};
  });
  registry_.gauge(
      "sealpost_start_time_seconds", "When the relay started, in seconds since 1970.", "", [this, number] {
        return number(std::chrono::floor<std::chrono::seconds>(started_).time_since_epoch().count());
      });
  registry_.gauge("sealpost_workers", "Threads that carry mail.", "threads.workers",
                  [this, number] { return number(workers_.size()); });
  registry_.gauge("sealpost_workers_answering",
                  "Of these, those that answered when these numbers were asked for.",
                  "threads.workers_answering", [this, number] {
                    return number(std::count_if(observed_.workers.begin(), observed_.workers.end(),
                                                [](const auto& worker) { return worker.answered; }));
                  });
  registry_.gauge("sealpost_taking_mail", "1 while new mail is taken.", "",
                  [this] { return taking_mail_ && !stopping_ ? 1.0 : 0.0; });
  constexpr const char* dnssec = "1 for what is known of the resolver's word on DNSSEC.";
  using State = dns::DnssecState;
  for (const State state : {State::untrusted, State::untested, State::no_ad, State::lying, State::signed_only,
                            State::proven, State::lost})
    registry_.gauge("sealpost_dnssec_state", dnssec, "",
                    [this, state] { return dnssec_->state() == state ? 1.0 : 0.0; },
                    {{"state", std::string(dns::name_of(state))}});
  registry_.gauge("sealpost_dane_on",
                  "1 while DANE is looked for; 0: switched off, off, or mail waits for it.", "", [this] {
                    const bool on =
                        in_force_.get()->config.delivery.dane && dnssec_->mode() == dns::DaneMode::on;
                    return on ? 1.0 : 0.0;
                  });
  registry_.gauges(
      "sealpost_listener_certificate_remaining_seconds",
      "Until a certificate of the listeners ends; below 0: it has ended. Absent without one.", [this] {
        std::vector<Sample> samples;
        const InForcePtr now = in_force_.get();
        if (!now->certificates) return samples;
        const auto& all = now->certificates->all();
        for (std::size_t i = 0; i < all.size(); ++i)
          samples.emplace_back(metrics::Labels{{"file", now->config.certificates[i].certificate}},
                               std::chrono::duration<double>(all[i]->expires() - main_.date()).count());
        return samples;
      });
  registry_.gauges(
      "sealpost_listener_staple_remaining_seconds",
      "Until the OCSP response that is shown with a certificate of the listeners ends; below 0: it "
      "has ended and is not shown. Absent without one.",
      [this] {
        std::vector<Sample> samples;
        const InForcePtr now = in_force_.get();
        if (!now->certificates) return samples;
        const auto& all = now->certificates->all();
        for (std::size_t i = 0; i < all.size(); ++i)
          if (const auto& staple = all[i]->staple())
            samples.emplace_back(metrics::Labels{{"file", now->config.certificates[i].ocsp_staple}},
                                 std::chrono::duration<double>(staple->ends() - main_.date()).count());
        return samples;
      });
  registry_.gauge("sealpost_descriptors_limit", "Descriptors that the process may have.", "descriptors.limit",
                  [this, number] { return number(descriptors_.limit); });
  registry_.gauge("sealpost_descriptors_open", "Descriptors that it has.", "descriptors.in_use",
                  [number] { return number(descriptors_in_use()); });
  registry_.gauge("sealpost_descriptors_reserved", "Of the limit, for what must never be short of them.",
                  "descriptors.reserved", [this, number] { return number(descriptors_.reserved); });
  registry_.gauge("sealpost_descriptors_inbound", "Of the limit, for sessions of clients.",
                  "descriptors.inbound", [this, number] { return number(descriptors_.inbound); });
  registry_.gauge("sealpost_descriptors_outbound", "Of the limit, for connections to hosts.",
                  "descriptors.outbound", [this, number] { return number(descriptors_.outbound); });
  registry_.gauge("sealpost_delivery_open_connections", "Connections to hosts that are open.",
                  "descriptors.outbound_open", [this, number] { return number(hosts_.open()); });
  registry_.counter("sealpost_log_lines_dropped_total", "Lines that the log could not take.",
                    "log.lines_dropped", [number] { return number(log::dropped()); });
  registry_.gauge("sealpost_log_waiting_bytes", "Octets of the log that are still to be written.",
                  "log.octets_waiting", [number] { return number(log::waiting()); });
  registry_.counter("sealpost_tlsrpt_sessions_counted_total", "Sessions counted for TLS reports.",
                    "tls_rpt.sessions_counted", [this, number] { return number(recorder_->counted()); });
  registry_.counter("sealpost_tlsrpt_sessions_dropped_total", "Sessions that could not be counted.",
                    "tls_rpt.sessions_dropped", [this, number] { return number(recorder_->dropped()); });
  registry_.counter("sealpost_evidence_sessions_recorded_total", "Sessions recorded as evidence.",
                    "evidence.sessions_recorded",
                    [this, number] { return number(evidence_ ? evidence_->recorded() : 0); });
  registry_.counter("sealpost_evidence_sessions_dropped_total", "Sessions that could not be recorded.",
                    "evidence.sessions_dropped",
                    [this, number] { return number(evidence_ ? evidence_->dropped() : 0); });
  if (ledger_) list_ledger(registry_, *ledger_, *spool_);
  list_webhooks(registry_, *webhooks_, *spool_);
  const auto& alerts = postmaster_->alerts();
  registry_.gauge("sealpost_alerts_open", "Alerts that last ('sealpost report alerts').", "alerts.open",
                  [&alerts, number] { return number(alerts.counters().open.load()); });
  registry_.counter("sealpost_alerts_raised_total", "Alerts raised.", "alerts.raised",
                    alerts.counters().raised);
  registry_.counter("sealpost_alerts_over_total", "Alerts that are over.", "alerts.over",
                    alerts.counters().resolved);
  registry_.counter("sealpost_alerts_left_out_total", "Alerts that were too many to keep.", "alerts.left_out",
                    alerts.counters().left_out);
  registry_.counter("sealpost_alerts_mails_total", "Mails about alerts.", "alerts.mails",
                    [&alerts, number] { return number(alerts.mails()); });
}

// Of tls_rpt.receive_http; all are there while it is off.
void Relay::list_report_posts() {
  const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
  const auto of_posts = [this, number](auto member) {
    return [this, number, member] {
      return number(report_endpoint_ ? (report_endpoint_->counters().*member).load() : 0);
    };
  };
  const auto of_connections = [this, number](auto member) {
    return [this, number, member] {
      return number(report_endpoint_ ? (report_endpoint_->connections().*member).load() : 0);
    };
  };
  using Posts = ReportEndpoint::Counters;
  using Connections = admin::HttpServer::Counters;
  registry_.counter("sealpost_report_posts_total",
                    "Requests with TLS reports of others, to tls_rpt.receive_http, that were answered 2xx.",
                    "report_posts.taken", of_posts(&Posts::taken));
  registry_.counter("sealpost_report_posts_refused_total", "Requests there that were answered 4xx.",
                    "report_posts.refused", of_posts(&Posts::refused));
  registry_.counter("sealpost_report_posts_put_off_total",
                    "Requests there that were answered 5xx: what they brought was not kept.",
                    "report_posts.put_off", of_posts(&Posts::put_off));
  registry_.counter("sealpost_report_post_connections_total", "Connections to tls_rpt.receive_http.",
                    "report_posts.connections", of_connections(&Connections::connections));
  registry_.counter("sealpost_report_post_turned_away_total",
                    "Connections there that were closed unheard: too many of one address, or without TLS.",
                    "report_posts.turned_away", of_connections(&Connections::refused));
  registry_.counter("sealpost_report_post_gave_way_total", "Connections there ended for another one's sake.",
                    "report_posts.gave_way", of_connections(&Connections::gave_way));
  registry_.counter("sealpost_report_post_timed_out_total", "Connections there whose client was too slow.",
                    "report_posts.timed_out", of_connections(&Connections::timed_out));
}

// One for each kind, so that a rule can name it before it has ever been raised.
void Relay::list_troubles() {
  registry_.gauges("sealpost_troubles", "What is not well with the relay itself, by kind.", [this] {
    const auto troubles = health_.list();
    std::vector<Sample> samples;
    for (const std::string_view code : trouble_codes()) {
      const auto count = std::count_if(troubles.begin(), troubles.end(), [code](const auto& trouble) {
        return trouble_code(trouble.cause) == code;
      });
      samples.emplace_back(metrics::Labels{{"kind", std::string(code)}}, static_cast<double>(count));
    }
    return samples;
  });
}

// ---- control.http
// -----------------------------------------------------------------------------------------------

Expected<void> Relay::serve_http() {
  if (!http_socket_) return {};
  http_ = std::make_unique<admin::HttpServer>(main_, config_.control_http_allow);
  const auto& counters = http_->counters();
  registry_.counter("sealpost_http_connections_total", "Connections to control.http.", "http.connections",
                    counters.connections);
  registry_.counter("sealpost_http_refused_total", "Connections from addresses that may not read there.",
                    "http.refused", counters.refused);
  registry_.counter("sealpost_http_gave_way_total", "Connections ended for another one's sake.",
                    "http.gave_way", counters.gave_way);
  registry_.counter("sealpost_http_timed_out_total", "Connections whose client was too slow.",
                    "http.timed_out", counters.timed_out);
  registry_.counter("sealpost_http_visits_refused_total",
                    "Visits of the web pages that had to wait too long for a place.", "http.visits_refused",
                    counters.visits_refused);
  http_->page("/metrics", [this] { return metrics_page(); });
  http_->page("/healthz", [this] { return alive_page(); });
  http_->page("/readyz", [this] { return ready_page(); });
  serve_pages();
  return http_->listen(std::move(http_socket_));
}

Standing Relay::standing() const {
  Standing now;
  now.taking_mail = taking_mail_;
  now.stopping = stopping_;
  if (loop_watch_) now.silent = loop_watch_->silent();
  if (const auto room = spool_->room_for(0); !room) now.journal = room.error().detail;
  for (const ListenerConfig& listener : config_.listeners) now.listeners.push_back(listener.address);
  now.troubles = health_.list();
  return now;
}

event::Task<admin::Page> Relay::metrics_page() {
  co_await observe();
  co_return admin::Page(200, registry_.exposition(), metrics::Registry::media_type);
}

// Nothing is looked at but the threads: who asks the disk here would stand still with it.
event::Task<admin::Page> Relay::alive_page() {
  Standing now;
  if (loop_watch_) now.silent = loop_watch_->silent();
  co_return page_of(why_not_alive(now), "alive");
}

event::Task<admin::Page> Relay::ready_page() { co_return page_of(why_not_ready(standing()), "ready"); }

}  // namespace sealpost::app
