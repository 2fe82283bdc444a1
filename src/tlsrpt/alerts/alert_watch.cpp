// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/alerts/alert_watch.hpp"

#include <algorithm>

#include "base/digest.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "mail/mime_text.hpp"

namespace sealpost::tlsrpt {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t most_in_mail = 100;

bool is_over(const Alert& alert) noexcept { return alert.resolved != SystemTime{}; }

bool is_about_partners(const Alert& alert) noexcept {
  return alert.kind != AlertKind::relay && alert.kind != AlertKind::received;
}

std::string headline(const std::vector<Alert>& alerts, std::size_t over) {
  std::string line;
  const std::size_t lasting = alerts.size() - over;
  if (lasting > 0) {
    line = std::to_string(lasting) + (lasting == 1 ? " problem" : " problems");
    if (std::all_of(alerts.begin(), alerts.end(), is_about_partners)) line += " with TLS to partners";
  }
  if (over > 0) line += (line.empty() ? "" : ", ") + std::to_string(over) + " over";
  return line;
}

}  // namespace

std::string build_alert_mail(const AlertMailSettings& settings, const std::vector<Alert>& alerts,
                             SystemTime now) {
  const auto over = static_cast<std::size_t>(std::count_if(alerts.begin(), alerts.end(), is_over));
  std::string body;
  std::size_t shown = 0;
  for (const Alert& alert : alerts) {
    if (++shown > most_in_mail) {
      body += "... and " + std::to_string(alerts.size() - most_in_mail) +
              " more; 'sealpost report alerts' lists them.\r\n";
      break;
    }
    body += (is_over(alert) ? "OVER: " : "SINCE " + to_rfc3339(alert.since) + ": ") +
            text::printable(alert.subject, 255) + "\r\n  " + text::printable(alert.what) + "\r\n";
    if (is_over(alert))
      body += "  It began at " + to_rfc3339(alert.since) + " and passed at " + to_rfc3339(alert.resolved) +
              ".\r\n";
    else if (!alert.how.empty())
      body += "  What to do: " + text::printable(alert.how) + "\r\n";
    body += "\r\n";
  }
  const std::string id = sha256_hex(body + to_rfc3339(now) + settings.to).substr(0, 32);
  return "From: sealpost <" + settings.from + ">\r\nTo: <" + settings.to + ">\r\nDate: " + to_rfc5322(now) +
         "\r\n" + folded_field("Subject", settings.hostname + ": " + headline(alerts, over)) +
         "Message-ID: <" + id + "@" + settings.hostname +
         ">\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n" +
         "Auto-Submitted: auto-generated\r\n\r\n" + body +
         "Each cause is mailed once a day while it lasts, and once when it is over.\r\n";
}

event::Task<void> AlertWatch::look_at_queue() {
  if (!waiting_) co_return;
  std::function<Expected<bool>(Store&)> ask = [book = book_](Store&) -> Expected<bool> {
    return book->delivery_lasts();
  };
  const Expected<bool> lasts = co_await store_.ask<bool>(loop_, std::move(ask));
  if (!lasts || !*lasts) co_return;
  std::set<std::string> waiting = co_await waiting_();
  std::function<Expected<void>(Store&)> tell = [book = book_, now = loop_.date(),
                                                waiting = std::move(waiting)](Store&) -> Expected<void> {
    book->observe_queue(waiting, now);
    return {};
  };
  (void)co_await store_.tell(loop_, std::move(tell));
}

void AlertWatch::use(const AlertSettings& settings, AlertMailSettings mail) {
  settings_ = settings;
  mail_ = std::move(mail);
  scope_.spawn(tell_book(settings));
}

event::Task<void> AlertWatch::tell_book(AlertSettings settings) {
  std::function<Expected<void>(Store&)> tell = [book = book_, settings, now = loop_.date()](Store& store) {
    return book->use(settings, store, now);
  };
  const Expected<void> told = co_await store_.tell(loop_, std::move(tell));
  if (!told) log::error("alerts_unreadable", {{"why", told.error().detail}});
}

event::Task<void> AlertWatch::look() {
  using News = AlertBook::News;
  if (!settings_.enabled) co_return;
  const AlertMailSettings settings = mail_;
  co_await look_at_queue();
  const bool mailing = !settings.to.empty();
  std::function<Expected<News>(Store&)> query = [book = book_, now = loop_.date(), troubles = health_.list(),
                                                 mailing](Store& store) -> Expected<News> {
    if (!book->settings().enabled) return News();  // switched off meanwhile
    book->observe_relay(troubles, now);
    book->observe_received(store, now);
    return book->news(store, now, mailing);
  };
  const Expected<News> news = co_await store_.ask<News>(loop_, std::move(query));
  if (!news) {
    log::error("alerts_not_kept", {{"why", news.error().detail}});
    co_return;
  }
  for (const Alert& alert : news->raised)
    log::warning("alert", {{"kind", name_of(alert.kind)},
                           {"subject", alert.subject},
                           {"since", to_rfc3339(alert.since)},
                           {"what", alert.what},
                           {"do", alert.how}});
  for (const Alert& alert : news->resolved)
    log::info("alert_over", {{"kind", name_of(alert.kind)},
                             {"subject", alert.subject},
                             {"since", to_rfc3339(alert.since)},
                             {"what", alert.what}});
  if (news->to_mail.empty()) co_return;
  std::string mail = build_alert_mail(settings, news->to_mail, loop_.date());
  const Expected<std::string> queued = co_await outbox_.queue(std::string(), settings.to, std::move(mail));
  if (queued) {
    ++mails_;
    co_return;
  }
  log::error("alert_not_mailed", {{"to", settings.to}, {"why", queued.error().detail}});
  std::function<Expected<void>(Store&)> again = [book = book_,
                                                 alerts = news->to_mail](Store&) -> Expected<void> {
    book->not_mailed(alerts);
    return {};
  };
  (void)co_await store_.tell(loop_, std::move(again));
}

event::Task<void> AlertWatch::run() {
  std::function<Expected<void>(Store&)> load = [book = book_](Store& store) {
    return book->settings().enabled ? book->load(store) : Expected<void>();
  };
  const Expected<void> loaded = co_await store_.tell(loop_, std::move(load));
  if (!loaded) log::error("alerts_unreadable", {{"why", loaded.error().detail}});
  for (;;) {
    const auto gap = std::clamp<std::chrono::seconds>(settings_.after / 4, 1s, 30s);
    co_await event::sleep_for(loop_, gap);
    co_await look();
  }
}

event::Task<Expected<AlertWatch::Lists>> AlertWatch::lists(std::size_t most) {
  std::function<Expected<Lists>(Store&)> query = [book = book_, most](Store&) -> Expected<Lists> {
    Lists both;
    both.open = book->open(most);
    both.pending = book->pending(most);
    return both;
  };
  co_return co_await store_.ask<Lists>(loop_, std::move(query));
}

}  // namespace sealpost::tlsrpt
