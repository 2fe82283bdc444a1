// SPDX-License-Identifier: Apache-2.0
//
// Is the relay well, what is wrong and what to do about it, and what became of mail in the last day.
#include "base/amounts.hpp"
#include "base/text.hpp"
#include "base/words.hpp"
#include "web/kit.hpp"
#include "web/pages/pages.hpp"

namespace sealpost::web {
namespace {

Tone tone_of(std::string_view grade) {
  return grade == "well" ? Tone::good : grade == "critical" ? Tone::bad : Tone::warn;
}

void put_verdict(Html& html, const Json& verdict) {
  const Tone tone = tone_of(words_of(verdict, "grade"));
  const std::string name(name_of(tone));
  const auto card = html.in("section", {{"class", "card " + name}, {"aria-label", "Verdict"}});
  html.put("p", {{"class", "verdict " + name}, {"id", "verdict"}}, words_of(verdict, "text"));
}

void put_problems(Html& html, const Json& problems) {
  if (!problems.is_array() || problems.empty()) return;
  html.put("h2", "What is wrong, and what to do");
  for (const Json& problem : problems) {
    const auto card =
        html.in("div", {{"class", "card " + std::string(name_of(tone_of(words_of(problem, "grade"))))}});
    html.put("p", words_of(problem, "what"));
    if (const std::string remedy = words_of(problem, "remedy"); !remedy.empty())
      html.put("p", {{"class", "remedy"}}, remedy);
  }
}

void put_alerts(Html& html, const Json& alerts, SystemTime now) {
  if (!alerts.is_array() || alerts.empty()) return;
  html.put("h2", "Alerts");
  const Table table(html, "Alerts that last", {{"Of"}, {"Since"}, {"What"}, {"What to do"}});
  const auto body = html.in("tbody");
  for (const Json& alert : alerts) {
    const auto row = html.in("tr");
    put_row_head(html, words_of(alert, "subject"));
    put_cell(html, age_of(words_of(alert, "since"), now));
    html.put("td", {{"class", "words"}}, words_of(alert, "what"));
    html.put("td", {{"class", "words"}}, words_of(alert, "remedy"));
  }
}

void put_figures(Html& html, const Json& status) {
  const Json &queue = part_of(status, "queue"), &day = part_of(status, "last_day"),
             &intake = part_of(status, "intake");
  const auto figures = html.in("dl", {{"class", "figures"}});
  put_figure(html, "Recipients in the queue", text::grouped(number_of(queue, "recipients")));
  put_figure(html, "Oldest that waits",
             number_of(queue, "oldest_s") == 0
                 ? "-"
                 : text::about(static_cast<std::int64_t>(number_of(queue, "oldest_s"))));
  put_figure(html, "Held", text::grouped(number_of(queue, "held")));
  put_figure(html, "Delivered, last day", text::grouped(number_of(day, "delivered")));
  put_figure(html, "Clients connected", text::grouped(number_of(intake, "sessions")));
}

// "2026-01-31T13:30:00Z" -> "13:30".
std::string clock_of(const std::string& time) { return time.size() >= 16 ? time.substr(11, 5) : time; }

void put_day(Html& html, const Json& day) {
  const Json& steps = part_of(day, "steps");
  if (!steps.is_array()) return;
  Picture mail;
  mail.title = "Mail of the last day";
  mail.place_is = "From (UTC)";
  mail.series = {{"delivered", 1, {}}, {"deferred (attempts)", 3, {}}, {"given up", 4, {}}};
  Picture hosts = mail;
  hosts.title = "Hosts that got no mail because a demand was not met";
  hosts.series = {{"refused", 4, {}}};
  // A whole day, so that the picture means the same an hour after a start.
  constexpr std::size_t whole = 48;
  for (std::size_t i = steps.size(); i < whole; ++i) {
    for (auto& series : mail.series) series.values.push_back(0);
    hosts.series[0].values.push_back(0);
    for (Picture* one : {&mail, &hosts}) {
      one->places.emplace_back();
      one->names.emplace_back("before the start");
    }
  }
  for (const Json& step : steps) {
    const std::string from = words_of(step, "from"), clock = clock_of(from);
    const bool shown = clock.ends_with(":00") && text::parse_u64(clock.substr(0, 2)).value_or(1) % 3 == 0;
    for (Picture* one : {&mail, &hosts}) {
      one->places.push_back(shown ? clock : std::string());
      one->names.push_back(from.size() >= 16 ? from.substr(0, 10) + " " + clock : from);
    }
    mail.series[0].values.push_back(number_of(step, "delivered"));
    mail.series[1].values.push_back(number_of(step, "deferred"));
    mail.series[2].values.push_back(number_of(step, "bounced"));
    hosts.series[0].values.push_back(number_of(step, "refused"));
  }
  mail.about = "By half hour: " + text::grouped(number_of(day, "delivered")) + " recipients delivered, " +
               text::grouped(number_of(day, "deferred")) + " attempts deferred, " +
               text::grouped(number_of(day, "bounced")) + " recipients given up.";
  hosts.about = "By half hour: " + text::grouped(number_of(day, "refused")) + " times.";
  html.put("h2", "The last 24 hours");
  put_columns(html, mail);
  if (number_of(day, "refused") > 0) {
    html.put("h3", hosts.title);
    put_columns(html, hosts);
  }
  if (steps.size() < whole) {
    const auto since = html.in("p", {{"class", "soft small"}});
    html.text("Counted in memory since the start, ");
    put_time(html, words_of(day, "since"));
    html.text(".");
  }
}

void put_relay(Html& html, const Json& status) {
  const Json &dnssec = part_of(status, "dnssec"), &certificate = part_of(status, "listener_certificate");
  html.put("h2", "The relay");
  const auto facts = html.in("dl", {{"class", "facts"}});
  put_fact(html, "State", words_of(status, "state"));
  html.put("dt", "Started");
  {
    const auto value = html.in("dd");
    put_time(html, words_of(status, "started"));
  }
  put_fact(html, "Version", words_of(status, "version"));
  put_fact(html, "Journal", words_of(part_of(status, "spool"), "state"));
  put_fact(html, "DNSSEC", words_of(dnssec, "state") + ": " + words_of(dnssec, "explanation"));
  put_fact(html, "Evidence", words_of(part_of(status, "evidence"), "state"));
  if (certificate.is_object()) {
    const std::size_t number = part_of(certificate, "all").size();
    const std::string words = words_of(certificate, "state");
    put_fact(html, "Listener certificate",
             number > 1 && words == "ok" ? "all " + std::to_string(number) + " ok" : words);
  }
}

}  // namespace

event::Task<Reply> now_page(const Call& call) {
  const admin::Answer status = co_await call.ask("status");
  if (status.status != 200) co_return refusal(status, "Now");
  const admin::Answer alerts = co_await call.ask("report.alerts");
  Reply reply;
  reply.title = "Now";
  Html& html = reply.body;
  put_verdict(html, part_of(status.body, "verdict"));
  put_problems(html, part_of(part_of(status.body, "verdict"), "problems"));
  put_figures(html, status.body);
  put_alerts(html, part_of(alerts.body, "open"), call.now);
  put_day(html, part_of(status.body, "last_day"));
  put_relay(html, status.body);
  const bool live = call.query.has("live");
  reply.refresh = live ? 30 : 0;
  const auto row = html.in("p", {{"class", "noprint"}});
  if (live)
    html.link(Url("/"), "Stop refreshing");
  else
    html.link(Url("/").with("live", "1"), "Refresh every 30 seconds");
  co_return reply;
}

}  // namespace sealpost::web
