// SPDX-License-Identifier: Apache-2.0
//
// What an own domain should publish for its mail, and what DNS says of it, asked now (as `dns check`): a checklist, with what to
// do for each item.
#include <algorithm>

#include "base/text.hpp"
#include "base/words.hpp"
#include "web/kit.hpp"
#include "web/pages/pages.hpp"

namespace sealpost::web {
namespace {

Tone tone_of(const Json& record) {
  const std::string state = words_of(record, "state");
  if (state == "ok") return Tone::good;
  if (state == "could not be asked") return Tone::plain;
  return flag_of(record, "optional") ? Tone::warn : Tone::bad;
}

void put_lines(Html& html, std::string_view what, const Json& lines) {
  if (!lines.is_array() || lines.empty()) return;
  html.put("p", {{"class", "soft"}}, what);
  const auto block = html.in("pre");
  std::string all;
  for (const Json& line : lines)
    if (line.is_string()) all += (all.empty() ? "" : "\n") + line.get<std::string>();
  html.text(all);
}

void put_dns_record(Html& html, const Json& record) {
  const auto row = html.in("tr");
  const bool good = words_of(record, "state") == "ok";
  {
    const auto head = html.in("th", {{"scope", "row"}});
    html.text(words_of(record, "what"));
  }
  {
    const auto cell = html.in("td");
    put_tag(html, tone_of(record), words_of(record, "state"));
  }
  {
    const auto cell = html.in("td", {{"class", "words"}});
    html.put("p", {{"class", "mono"}}, words_of(record, "name"));
    if (const std::string why = words_of(record, "why"); !why.empty()) html.put("p", why);
    if (const std::string remedy = words_of(record, "remedy"); !remedy.empty())
      html.put("p", (good ? "Worth doing: " : "What to do: ") + remedy);
    if (!good && flag_of(record, "optional"))
      html.put("p", {{"class", "soft"}}, "Mail does not suffer without it.");
    const Json &publish = part_of(record, "publish"), &found = part_of(record, "found");
    const bool shown = (publish.is_array() && !publish.empty()) || (found.is_array() && !found.empty());
    if (!shown) return;
    const auto details = html.in("details");
    html.put("summary", "Records");
    put_lines(html, "There is:", found);
    put_lines(html, words_of(record, "type") == "HTTPS" ? "To be served there:" : "To publish:", publish);
  }
}

void put_choice_of(Html& html, const Json& own, const std::string& shown) {
  if (own.size() < 2) return;
  const auto list = html.in("p", {{"class", "row"}});
  for (const Json& each : own) {
    const std::string name = each.get<std::string>();
    if (name == shown)
      html.put("b", name);
    else
      html.link(Url("/own-domain").with("name", name), name);
    html.text(" ");
  }
}

// The first of its own, unless one of them is named; others are not asked about for who may only look.
std::string chosen(const Json& own, std::string_view name) {
  for (const Json& each : own)
    if (name.empty() || text::iequals(each.get<std::string>(), name)) return each.get<std::string>();
  return {};
}

}  // namespace

event::Task<Reply> own_domain_page(const Call& call) {
  const admin::Answer known = co_await call.ask("dns.own");
  if (known.status != 200) co_return refusal(known, "Own domain");
  const Json own = part_of(known.body, "domains");
  Reply reply;
  reply.title = "Own domain";
  const std::string name = chosen(own, call.query.value("name"));
  if (name.empty()) {
    reply.status = 404;
    reply.body.put("p", {{"class", "card"}},
                   "That is none of the own domains: those that [dkim] names, and that of tls_rpt.contact.");
    co_return reply;
  }
  Json arguments;
  arguments["domain"] = name;
  const admin::Answer checked = co_await call.ask("dns.check", std::move(arguments));
  if (checked.status != 200) co_return refusal(checked, "Own domain");
  Html& html = reply.body;
  put_choice_of(html, own, name);
  const Json& domains = part_of(checked.body, "domains");
  for (const Json& domain : domains) {
    const Json& records = part_of(domain, "records");
    const auto good =
        static_cast<std::uint64_t>(std::count_if(records.begin(), records.end(), [](const Json& record) {
          return words_of(record, "state") == "ok";
        }));
    {
      const auto figures = html.in("dl", {{"class", "figures"}});
      put_figure(html, "Domain", words_of(domain, "domain"));
      put_figure(html, "As it should be", text::grouped(good) + " of " + text::grouped(records.size()));
    }
    const Table table(html, "What it should publish, and what DNS says of it now",
                      {{"Item"}, {"State"}, {"What it says"}});
    const auto body = html.in("tbody");
    for (const Json& record : records) put_dns_record(html, record);
  }
  co_return reply;
}

}  // namespace sealpost::web
