// SPDX-License-Identifier: Apache-2.0
//
// One domain: what is demanded of its hosts and why (as `policy explain`), and, asked now, what they show (as `policy probe`):
// demanded against shown, with the certificate.
#include "base/text.hpp"
#include "base/words.hpp"
#include "web/kit.hpp"
#include "web/pages/pages.hpp"

namespace sealpost::web {
namespace {

void put_trace(Html& html, const Json& trace) {
  if (!trace.is_array() || trace.empty()) return;
  const auto details = html.in("details");
  html.put("summary", "Step by step");
  const auto list = html.in("ol");
  for (const Json& line : trace)
    if (line.is_string()) html.put("li", line.get<std::string>());
}

void put_policies(Html& html, const Json& explained) {
  const Json &sts = part_of(explained, "mta_sts"), &partner = part_of(explained, "partner");
  const auto facts = html.in("dl", {{"class", "facts"}});
  put_fact(html, "Next hop", words_of(explained, "next_hop"));
  html.put("dt", "Partner rule");
  {
    const auto value = html.in("dd");
    if (partner.is_object())
      html.link(Url("/partner").with("name", words_of(partner, "name")),
                words_of(partner, "name") + ", tls = " + words_of(partner, "tls") + ", " +
                    words_of(partner, "mode"));
    else
      html.text("none");
  }
  if (sts.is_object())
    put_fact(html, "MTA-STS",
             words_of(sts, "state") +
                 (words_of(sts, "mode").empty() ? "" : ", mode " + words_of(sts, "mode")) +
                 (words_of(sts, "expires").empty() ? "" : ", until " + words_of(sts, "expires")));
  if (const std::string problem = words_of(sts, "record_problem"); !problem.empty())
    put_fact(html, "Its record", "cannot be read: " + problem);
  put_fact(html, "MX records",
           flag_of(part_of(explained, "mx_lookup"), "dnssec_secure") ? "signed (DNSSEC)" : "not signed");
}

void put_demands(Html& html, const Json& hosts) {
  if (!hosts.is_array() || hosts.empty()) return;
  html.put("h2", "What is demanded");
  const Table table(html, "Hosts, the first ones first",
                    {{"Host"}, {"DANE"}, {"Demanded by"}, {"On failure"}});
  const auto body = html.in("tbody");
  for (const Json& host : hosts) {
    const auto row = html.in("tr");
    put_row_head(html, words_of(host, "mx"));
    put_cell(html, words_of(part_of(host, "dane"), "state"));
    {
      const auto cell = html.in("td", {{"class", "words"}});
      if (const std::string why = words_of(host, "unusable_because"); !why.empty())
        html.text("not used: " + why);
      if (const Json& demands = part_of(host, "demands"); demands.is_array()) {
        const auto list = html.in("ul");
        for (const Json& demand : demands) {
          const auto item = html.in("li");
          html.put("b", words_of(demand, "source"));
          html.text(" " + words_of(demand, "origin") +
                    (flag_of(demand, "enforced") ? "" : " (only observed)") +
                    (words_of(demand, "note").empty() ? "" : ": " + words_of(demand, "note")));
        }
      }
    }
    html.put("td", {{"class", "words"}}, words_of(host, "on_failure"));
  }
}

Tone tone_of_verdict(const std::string& verdict) {
  return verdict == "deliver" ? Tone::good : verdict == "refuse" ? Tone::bad : Tone::warn;
}

void put_life(Html& html, const Json& certificate) {
  const auto days = part_of(certificate, "days_left");
  const std::int64_t left = days.is_number_integer() ? days.get<std::int64_t>() : 0;
  const auto cell = html.in("span", {{"class", "life"}});
  put_tag(html,
          left < 0    ? Tone::bad
          : left < 15 ? Tone::warn
                      : Tone::good,
          left < 0 ? "expired" : std::to_string(left) + " days left");
}

void put_shown(Html& html, const Json& host) {
  const std::string verdict = words_of(host, "verdict");
  const auto card = html.in("section", {{"class", "card " + std::string(name_of(tone_of_verdict(verdict)))}});
  {
    const auto head = html.in("h3");
    html.text(words_of(host, "mx") + " ");
    put_tag(html, tone_of_verdict(verdict), verdict);
  }
  if (const std::string why = words_of(host, "why"); !why.empty()) html.put("p", why);
  {
    const Table table(html, "Demanded against shown",
                      {{"Demanded by"}, {"How"}, {"Met"}, {"What is missing"}});
    const auto body = html.in("tbody");
    for (const Json& source : part_of(host, "sources")) {
      const auto row = html.in("tr");
      put_row_head(html, words_of(source, "source") + " " + words_of(source, "origin"));
      put_cell(html, words_of(source, "force"));
      {
        const auto cell = html.in("td");
        const Json& met = part_of(source, "satisfied");
        put_tag(html,
                !met.is_boolean() ? Tone::plain
                : met.get<bool>() ? Tone::good
                                  : Tone::bad,
                !met.is_boolean() ? "not seen"
                : met.get<bool>() ? "yes"
                                  : "no");
      }
      html.put("td", {{"class", "words"}}, listed(part_of(source, "failures")));
    }
  }
  const auto facts = html.in("dl", {{"class", "facts"}});
  put_fact(html, "Address", words_of(host, "address"));
  put_fact(html, "STARTTLS", words_of(host, "starttls") + " " + words_of(host, "handshake_error"));
  put_fact(html, "TLS", words_of(host, "tls_version") + " " + words_of(host, "cipher"));
  const Json& certificate = part_of(host, "certificate");
  if (!certificate.is_object()) return;
  put_fact(html, "Certificate", words_of(certificate, "subject"));
  put_fact(html, "Issued by", words_of(certificate, "issuer"));
  put_fact(html, "Names", listed(part_of(certificate, "names")));
  put_fact(html, "Chain", words_of(certificate, "chain"));
  html.put("dt", "Ends");
  {
    const auto value = html.in("dd");
    put_time(html, words_of(certificate, "expires"));
    html.text(" ");
    put_life(html, certificate);
  }
  html.put("dt", "SHA-256 of the key");
  html.put("dd", {{"class", "mono"}}, words_of(certificate, "spki_sha256"));
  for (const Json& note : part_of(host, "notes"))
    if (note.is_string()) put_fact(html, "Note", note.get<std::string>());
}

void put_probe_form(Html& html, const Call& call, const std::string& domain) {
  const auto form = html.in_form(Url("/domain"), true);
  call.put_token(html);
  html.alone("input", {{"type", "hidden"}, {"name", "name"}, {"value", domain}});
  html.alone("input", {{"type", "hidden"}, {"name", "do"}, {"value", "probe"}});
  const auto row = html.in("div", {{"class", "row"}});
  html.put("button", "Probe now");
  html.put("span", {{"class", "soft small"}},
           "Connects to its hosts, shakes hands, sends no mail. It may take a minute.");
}

}  // namespace

event::Task<Reply> domain_page(const Call& call) {
  const std::string domain((call.posted ? call.form : call.query).value("name"));
  Reply reply;
  reply.title = domain.empty() ? "A domain" : domain.substr(0, 100);
  Html& html = reply.body;
  if (call.posted) {
    const Json asked{{"domain", domain}};
    const admin::Answer probe = co_await call.ask("policy.probe", asked);
    if (probe.status != 200) co_return refusal(probe, reply.title);
    {
      const auto line = html.in("p");
      html.text("What its hosts showed at ");
      put_time(html, words_of(probe.body, "when"));
      html.text(". ");
      html.link(Url("/domain").with("name", domain), "What is demanded");
    }
    if (const std::string none = words_of(probe.body, "no_route"); !none.empty())
      html.put("p", {{"class", "card warn"}}, none);
    for (const Json& host : part_of(probe.body, "hosts")) put_shown(html, host);
    put_probe_form(html, call, domain);
    co_return reply;
  }
  const Json asked{{"address", domain}};
  const admin::Answer explained = co_await call.ask("policy.explain", asked);
  if (explained.status != 200) co_return refusal(explained, reply.title);
  if (const std::string none = words_of(explained.body, "no_route"); !none.empty())
    html.put("p", {{"class", "card warn"}}, none);
  put_policies(html, explained.body);
  put_demands(html, part_of(explained.body, "hosts"));
  put_trace(html, part_of(explained.body, "trace"));
  html.put("h2", "What its hosts show");
  put_probe_form(html, call, domain);
  html.link(Url("/reports").with("domain", domain), "Its sessions by day");
  co_return reply;
}

}  // namespace sealpost::web
