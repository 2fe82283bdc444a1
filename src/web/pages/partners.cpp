// SPDX-License-Identifier: Apache-2.0
//
// The rules in force: whom they are about, what they demand, how they would do, when they are to be looked at again. And one of
// them with its history.
#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "base/words.hpp"
#include "web/draft_form.hpp"
#include "web/kit.hpp"
#include "web/pages/pages.hpp"

namespace sealpost::web {
namespace {

void put_readiness(Html& html, const Json& readiness) {
  if (!readiness.is_object()) return html.text("-");
  const auto sessions = number_of(readiness, "sessions"), passed = number_of(readiness, "passed");
  if (sessions == 0) return put_tag(html, Tone::plain, "no sessions");
  put_tag(html, passed == sessions ? Tone::good : Tone::warn,
          text::grouped(passed) + " of " + text::grouped(sessions));
}

void put_dates(Html& html, const Json& dates) {
  if (!dates.is_array() || dates.empty()) return;
  html.put("h2", "Dates ahead");
  const auto list = html.in("ul");
  for (const Json& date : dates)
    if (date.is_string()) html.put("li", date.get<std::string>());
}

void put_rules(Html& html, const Json& partners) {
  const Table table(
      html, "Partner rules in force",
      {{"Partner"}, {"Domains"}, {"Demands"}, {"Mode"}, {"If not met"}, {"Passed, 30 days"}, {"Owner"}});
  const auto body = html.in("tbody");
  for (const Json& rule : partners) {
    const auto row = html.in("tr");
    {
      const auto head = html.in("th", {{"scope", "row"}});
      html.link(Url("/partner").with("name", words_of(rule, "name")), words_of(rule, "name"));
    }
    html.put("td", {{"class", "words"}}, listed(part_of(rule, "domains")));
    put_cell(html, words_of(rule, "tls"));
    {
      const auto cell = html.in("td");
      put_tag(html, words_of(rule, "mode") == "enforce" ? Tone::good : Tone::warn, words_of(rule, "mode"));
    }
    put_cell(html, words_of(rule, "on_failure"));
    {
      const auto cell = html.in("td");
      put_readiness(html, part_of(rule, "readiness"));
    }
    put_cell(html, words_of(rule, "owner"));
  }
}

const Json& rule_named(const Json& partners, std::string_view name) {
  static const Json none;
  if (partners.is_array())
    for (const Json& rule : partners)
      if (text::iequals(words_of(rule, "name"), name)) return rule;
  return none;
}

void put_date(Html& html, std::string_view name, const Json& rule, const char* key) {
  if (words_of(rule, key).empty()) return;
  html.put("dt", name);
  const auto value = html.in("dd");
  put_time(html, words_of(rule, key));
}

void put_exceptions(Html& html, const Json& exceptions, SystemTime now) {
  if (!exceptions.is_array() || exceptions.empty()) return;
  html.put("h2", "Exceptions");
  const Table table(html, "Until when less is demanded, and who answers for it",
                    {{"Until"}, {"Demands"}, {"State"}, {"Why"}, {"Approved by"}});
  const auto body = html.in("tbody");
  for (const Json& exception : exceptions) {
    const auto row = html.in("tr");
    const auto until = from_rfc3339(words_of(exception, "until"));
    const bool over = until && *until <= now;
    {
      const auto head = html.in("th", {{"scope", "row"}});
      put_time(html, words_of(exception, "until"));
    }
    put_cell(html, "tls = " + words_of(exception, "tls"));
    {
      const auto cell = html.in("td");
      put_tag(html, over ? Tone::plain : Tone::warn, over ? "over" : "in force");
    }
    html.put("td", {{"class", "words"}}, words_of(exception, "reason"));
    put_cell(html, words_of(exception, "approved_by"));
  }
}

void put_rule(Html& html, const Json& rule) {
  const auto facts = html.in("dl", {{"class", "facts"}});
  put_fact(html, "Demands", "tls = " + words_of(rule, "tls"));
  put_fact(html, "Mode", words_of(rule, "mode"));
  put_fact(html, "Hosts",
           listed(part_of(rule, "mx")).empty() ? "any of the domain" : listed(part_of(rule, "mx")));
  put_fact(html, "If not met", words_of(rule, "on_failure"));
  put_fact(html, "Grace", words_of(rule, "grace"));
  put_date(html, "In force from", rule, "starts");
  put_date(html, "In force until", rule, "ends");
  put_date(html, "To be reviewed by", rule, "review_by");
  put_fact(html, "Owner", words_of(rule, "owner"));
  put_fact(html, "Reference", words_of(rule, "reference"));
  put_fact(html, "Written in", words_of(rule, "file"));
  html.put("dt", "SHA-256 of its meaning");
  html.put("dd", {{"class", "mono"}}, words_of(rule, "hash"));
}

void put_domains(Html& html, const Json& domains) {
  html.put("h2", "Domains");
  const auto list = html.in("ul");
  for (const Json& domain : domains) {
    if (!domain.is_string()) continue;
    const auto item = html.in("li");
    const std::string name = domain.get<std::string>();
    if (name.find('*') == std::string::npos && !name.starts_with('.'))
      html.link(Url("/domain").with("name", name), name);
    else
      html.text(name);
  }
}

void put_record(Html& html, const Json& readiness) {
  html.put("h2", "Its record");
  if (!readiness.is_object()) {
    html.put("p", {{"class", "soft"}}, "Nothing is recorded ([evidence]).");
    return;
  }
  html.put("p", words_of(readiness, "text"));
  const Json& reasons = part_of(readiness, "reasons");
  if (!reasons.is_array() || reasons.empty()) return;
  const Table table(html, "Why sessions of 30 days would not have met the rule",
                    {{"Reason"}, {"Sessions", true}, {"Last"}});
  const auto body = html.in("tbody");
  for (const Json& reason : reasons) {
    const auto row = html.in("tr");
    put_row_head(html, words_of(reason, "text"));
    put_number(html, number_of(reason, "sessions"));
    const auto cell = html.in("td");
    put_time(html, words_of(reason, "last"));
  }
}

// A day strip: each day of 30 as a cell, by the worst that happened.
void put_strip(Html& html, const Json& evidence, SystemTime now) {
  std::map<std::string, Json> days;
  for (const Json& day : part_of(evidence, "days")) days.emplace(words_of(day, "day"), day);
  if (days.empty()) return;
  const auto figure = html.in("figure");
  html.put("figcaption", "30 days, the oldest first: passed, let go with a report, refused");
  {
    const auto strip = html.in("ol", {{"class", "strip"}});
    for (int i = 29; i >= 0; --i) {
      const std::string name = to_utc_day(now - std::chrono::days(i));
      const auto found = days.find(name);
      const Json day = found == days.end() ? Json::object() : found->second;
      const auto passed = number_of(day, "passed"), reported = number_of(day, "reported"),
                 refused = number_of(day, "refused");
      const char* tone = refused > 0 ? "b4" : reported > 0 ? "b3" : passed > 0 ? "b1" : "none";
      const std::string words = name + ": " + text::grouped(passed) + " passed, " + text::grouped(reported) +
                                " reported, " + text::grouped(refused) + " refused";
      const auto cell = html.in("li", {{"class", tone}, {"title", words}});
      html.put("span", {{"class", "unseen"}}, words);
    }
  }
}

// How much of their lives certificates have left.
void put_lives(Html& html, const Json& hosts, SystemTime now) {
  if (!hosts.is_array() || hosts.empty()) return;
  html.put("h2", "Certificates of its hosts");
  const Table table(html, "As they were shown last",
                    {{"Host"}, {"Life"}, {"Ends"}, {"Days left", true}, {"Seen"}});
  const auto body = html.in("tbody");
  for (const Json& host : hosts) {
    const auto row = html.in("tr");
    put_row_head(html, words_of(host, "mx"));
    const auto ends = from_rfc3339(words_of(host, "expires")),
               begins = from_rfc3339(words_of(host, "not_before"));
    {
      const auto cell = html.in("td");
      if (ends && begins && *ends > *begins) {
        const double whole = std::chrono::duration<double>(*ends - *begins).count();
        const double left = std::clamp(std::chrono::duration<double>(*ends - now).count() / whole, 0.0, 1.0);
        const auto svg = html.in("svg", {{"class", "bar"}, {"viewBox", "0 0 100 10"}, {"role", "img"}});
        html.put("title", std::to_string(static_cast<int>(left * 100)) + " % of its life is left");
        html.put("rect", {{"class", "rest"}, {"width", 100}, {"height", 10}, {"rx", 2}}, "");
        html.put("rect",
                 {{"class", left < 0.1    ? "f4"
                            : left < 0.25 ? "f3"
                                          : "f1"},
                  {"width", static_cast<int>(left * 100)},
                  {"height", 10},
                  {"rx", 2}},
                 "");
      } else {
        html.text("no certificate");
      }
    }
    {
      const auto cell = html.in("td");
      put_time(html, words_of(host, "expires"));
    }
    html.put("td", {{"class", "n"}},
             ends ? std::to_string(std::chrono::floor<std::chrono::days>(*ends - now).count()) : "-");
    const auto cell = html.in("td");
    put_time(html, words_of(host, "last"));
  }
}

void put_history(Html& html, const Json& changes) {
  html.put("h2", "Its history");
  if (!changes.is_array() || changes.empty()) {
    html.put("p", {{"class", "soft"}}, "No change is on record.");
    return;
  }
  const Table table(html, "Changes on record, the newest first",
                    {{"When"}, {"At"}, {"Way"}, {"Change"}, {"Approved by"}});
  const auto body = html.in("tbody");
  for (auto entry = changes.rbegin(); entry != changes.rend(); ++entry) {
    for (const Json& change : part_of(*entry, "changes")) {
      const auto row = html.in("tr");
      {
        const auto head = html.in("th", {{"scope", "row"}});
        put_time(html, words_of(*entry, "when"));
      }
      put_cell(html, words_of(*entry, "what"));
      put_cell(html, words_of(change, "way") + (flag_of(change, "held") ? ", held back" : ""));
      html.put("td", {{"class", "words"}}, words_of(change, "text"));
      const std::string by = words_of(change, "approved_by"), reason = words_of(change, "reason");
      put_cell(html, by + (reason.empty() ? "" : ": " + reason));
    }
  }
}

}  // namespace

event::Task<Reply> partners_page(const Call& call) {
  if (call.posted) co_return co_await try_draft(call);
  const Json recent{{"recent", true}};
  const admin::Answer rules = co_await call.ask("policy.list", recent);
  if (rules.status != 200) co_return refusal(rules, "Partners");
  const admin::Answer status = co_await call.ask("status");
  Reply reply;
  reply.title = "Partners";
  Html& html = reply.body;
  const Json& partners = part_of(rules.body, "partners");
  if (partners.is_array() && !partners.empty())
    put_rules(html, partners);
  else
    html.put("p", {{"class", "card"}},
             "There are no partner rules; what domains publish holds (MTA-STS, DANE).");
  if (flag_of(rules.body, "incomplete"))
    html.put("p", {{"class", "soft small"}},
             "There are more sessions on record than one question reads; not all are counted here.");
  put_dates(html, part_of(status.body, "rule_dates"));
  html.put("h2", "What is demanded of a domain");
  const auto form = html.in_form(Url("/domain"), false);
  const auto row = html.in("div", {{"class", "row"}});
  put_field(html, "name", "Domain", {}, "partner.example");
  html.put("button", "Show");
  put_draft_form(html, call, {});
  co_return reply;
}

event::Task<Reply> partner_page(const Call& call) {
  const std::string name(call.query.value("name"));
  const Json recent{{"recent", true}};
  const admin::Answer rules = co_await call.ask("policy.list", recent);
  if (rules.status != 200) co_return refusal(rules, "Partner");
  const Json& rule = rule_named(part_of(rules.body, "partners"), name);
  if (rule.is_null()) {
    const admin::Answer none(404, "no partner rule is called '" + text::printable(name, 100) + "'");
    co_return refusal(none, "Partner");
  }
  const Json asked{{"partner", name}};
  const admin::Answer history = co_await call.ask("policy.history", asked);
  Reply reply;
  reply.title = words_of(rule, "name");
  Html& html = reply.body;
  put_rule(html, rule);
  put_exceptions(html, part_of(rule, "exceptions"), call.now);
  put_domains(html, part_of(rule, "domains"));
  put_record(html, part_of(rule, "readiness"));
  const Json of_rule{{"days", 30}, {"partner", words_of(rule, "name")}};
  const admin::Answer evidence = co_await call.ask("evidence.days", of_rule);
  if (evidence.status == 200) {
    put_left_out(html, evidence.body);
    put_strip(html, evidence.body, call.now);
    put_lives(html, part_of(evidence.body, "hosts"), call.now);
  }
  put_history(html, part_of(history.body, "changes"));
  put_draft_form(html, call, draft_of(rule));
  co_return reply;
}

}  // namespace sealpost::web
