// SPDX-License-Identifier: Apache-2.0
#include "web/statement_page.hpp"

#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "base/words.hpp"
#include "web/kit.hpp"

namespace sealpost::web {
namespace {

// Within the page: a file that is sent has nothing beside it.
constexpr std::string_view paper_sheet = R"css(
@page { size: A4; margin: 16mm 14mm 18mm; @bottom-right { content: counter(page) " / " counter(pages); font: 8pt "Liberation Sans", Arial, sans-serif; color: #59636e; } }
* { box-sizing: border-box; }
html { background: #e9e7e1; }
body { margin: 0 auto; max-width: 186mm; padding: 12mm 10mm; background: #fff; color: #1b232d; font: 9.5pt/1.4 "Liberation Sans", Arial, Helvetica, sans-serif; overflow-wrap: anywhere; }
@media print { html { background: #fff; } body { padding: 0; max-width: none; } }
header { border-bottom: 2pt solid #9b2335; padding-bottom: 3mm; margin-bottom: 5mm; }
header p { margin: 0; color: #59636e; }
h1 { font-size: 17pt; line-height: 1.2; margin: 0 0 1mm; }
h2 { font-size: 11.5pt; margin: 7mm 0 2mm; break-after: avoid; }
p { margin: 0 0 2mm; }
dl.figures { display: grid; grid-template-columns: repeat(4, 1fr); gap: 3mm; margin: 0; }
dl.figures > div { border: .5pt solid #dcd8ce; border-radius: 1.5mm; padding: 2.5mm 3mm; break-inside: avoid; }
dl.figures dt { color: #59636e; font-size: 8.5pt; }
dl.figures dd { margin: 0; font-size: 16pt; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; font-size: 8.5pt; }
caption { text-align: left; color: #59636e; padding-bottom: 1mm; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
th, td { text-align: left; vertical-align: top; padding: 1.1mm 2mm 1.1mm 0; border-bottom: .4pt solid #dcd8ce; }
th { font-weight: 600; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number { white-space: nowrap; }
.hash { font: 7.5pt "Liberation Mono", monospace; }
.weaker { color: #a8231b; }
.day, th[scope=row], time { white-space: nowrap; }
.warn { border-left: 2pt solid #8a5300; padding-left: 2.5mm; }
footer { margin-top: 8mm; border-top: .5pt solid #dcd8ce; padding-top: 3mm; font-size: 8.5pt; color: #38424d; break-inside: avoid; }
code { font: 8pt "Liberation Mono", monospace; }
)css";

struct Heading {
  std::string_view name;
  bool number = false;
};

// A table of its own: what is printed does not scroll.
class PlainTable {
 public:
  PlainTable(Html& html, const std::vector<Heading>& columns) : table_(html.in("table")) {
    const auto head = html.in("thead");
    const auto row = html.in("tr");
    for (const Heading& column : columns)
      html.put("th", {{"scope", "col"}, {"class", column.number ? "number" : "words"}}, column.name);
  }

 private:
  Html::Element table_;
};

void put_count(Html& html, std::uint64_t count) {
  html.put("td", {{"class", "number"}}, count == 0 ? "-" : text::grouped(count));
}

std::string share(std::uint64_t of, std::uint64_t all) {
  if (all == 0) return "-";
  const std::uint64_t tenths = (of * 1000 + all / 2) / all;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " %";
}

// Dates that are not broken in the middle.
void put_days_seen(Html& html, const Json& seen) {
  const std::string first = words_of(seen, "first_day"), last = words_of(seen, "last_day");
  html.put("span", {{"class", "day"}}, first);
  if (first == last) return;
  html.text(" to ");
  html.put("span", {{"class", "day"}}, last);
}

std::string file_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

void put_statement_sums(Html& html, const Json& total) {
  const auto figures = html.in("dl", {{"class", "figures"}});
  const auto put = [&](std::string_view name, std::uint64_t number) {
    const auto one = html.in("div");
    html.put("dt", name);
    html.put("dd", text::grouped(number));
  };
  put("Delivered, recipients", number_of(total, "delivered"));
  put("of these under an exception", number_of(total, "delivered_by_exception"));
  put("of these not encrypted", number_of(total, "delivered_in_clear"));
  put("of these, an observed demand not met", number_of(total, "delivered_observed_failure"));
  put("Refused: a demand was not met", number_of(total, "refused"));
  put("Failed for another reason", number_of(total, "failed"));
  put("Waited for a demand, times", number_of(total, "waited_for_demand"));
  put("Waited otherwise, times", number_of(total, "waited"));
}

void put_asked(Html& html, const Json& demands) {
  html.put("h2", "What was demanded");
  if (demands.empty()) return html.put("p", "No session with a demand is on record in these days.");
  const PlainTable table(html,
                         {{"By"}, {"Asks"}, {"Version"}, {"Days"}, {"Delivered", true}, {"Kept back", true}});
  const auto body = html.in("tbody");
  for (const Json& one : demands) {
    const auto row = html.in("tr");
    const std::string origin = words_of(one, "origin");
    html.put("td", words_of(one, "source") + (origin.empty() ? "" : " " + origin) +
                       (flag_of(one, "enforced") ? "" : ", observed only"));
    {
      const auto cell = html.in("td");
      const std::string asks = listed(part_of(one, "asks"));
      html.text(asks.empty() ? "nothing" : asks);
      if (const std::string note = words_of(one, "note"); !note.empty()) {
        html.alone("br");
        html.put("span", {{"class", "weaker"}}, note);
      }
    }
    html.put("td", {{"class", "hash"}}, words_of(one, "version").substr(0, 16));
    {
      const auto cell = html.in("td");
      put_days_seen(html, one);
    }
    put_count(html, number_of(one, "delivered"));
    put_count(html, number_of(one, "kept_back"));
  }
}

void put_changes(Html& html, const Json& changes) {
  html.put("h2", "Changes of the rules in these days");
  if (changes.empty()) return html.put("p", "None.");
  const PlainTable table(html, {{"When"}, {"What"}, {"By"}, {"Row of the ledger", true}});
  const auto body = html.in("tbody");
  for (const Json& entry : changes)
    for (const Json& change : part_of(entry, "changes")) {
      const auto row = html.in("tr");
      {
        const auto cell = html.in("td");
        put_time(html, words_of(entry, "when"));
      }
      {
        const bool weaker = words_of(change, "way") == "weaker";
        const auto cell = html.in("td");
        html.put("span", {{"class", weaker ? "weaker" : "words"}}, words_of(change, "way"));
        html.text(": " + words_of(change, "text") +
                  (flag_of(change, "held") ? " (not let in: the former demand stayed in force)" : ""));
      }
      std::string by = words_of(entry, "what") == "calendar" ? "its date" : file_of(words_of(change, "file"));
      for (const Json& file : part_of(entry, "files"))
        if (words_of(file, "path") == words_of(change, "file")) by += ", owner " + words_of(file, "owner");
      if (!words_of(change, "approved_by").empty())
        by += "; approved by " + words_of(change, "approved_by") + ": " + words_of(change, "reason");
      html.put("td", by);
      put_count(html, number_of(entry, "row"));
    }
}

void put_pairs(Html& html, std::string_view title, std::string_view none, std::string_view name,
               const Json& pairs, const char* key, std::uint64_t all) {
  html.put("h2", title);
  if (pairs.empty()) return html.put("p", none);
  std::vector<Heading> columns{{name}, {"Recipients", true}};
  if (all > 0) columns.push_back({"Share", true});
  const PlainTable table(html, columns);
  const auto body = html.in("tbody");
  for (const Json& one : pairs) {
    const auto row = html.in("tr");
    html.put("td", words_of(one, key));
    put_count(html, number_of(one, "recipients"));
    if (all > 0) html.put("td", {{"class", "number"}}, share(number_of(one, "recipients"), all));
  }
}

void put_certificates(Html& html, const Json& certificates) {
  html.put("h2", "Certificates that were shown");
  if (certificates.empty()) return html.put("p", "None.");
  const PlainTable table(html, {{"Names"}, {"Issued by"}, {"Valid"}, {"Hosts, days"}, {"Recipients", true}});
  const auto body = html.in("tbody");
  for (const Json& one : certificates) {
    const auto row = html.in("tr");
    {
      const auto cell = html.in("td");
      const std::string names = listed(part_of(one, "names"));
      html.text(names.empty() ? words_of(one, "subject") : names);
      html.alone("br");
      html.put("span", {{"class", "hash"}}, "SHA-256 " + words_of(one, "sha256"));
    }
    html.put("td", words_of(one, "issuer") +
                       (flag_of(one, "webpki") ? "; a recognised authority" : "; not recognised") +
                       (flag_of(one, "dane") ? "; named by DANE" : ""));
    html.put("td",
             words_of(one, "not_before").substr(0, 10) + " to " + words_of(one, "expires").substr(0, 10));
    {
      const auto cell = html.in("td");
      html.text(listed(part_of(one, "hosts")));
      html.alone("br");
      put_days_seen(html, one);
    }
    put_count(html, number_of(one, "recipients"));
  }
}

void put_each_day(Html& html, const Json& days) {
  html.put("h2", "Day by day");
  if (days.empty()) return html.put("p", "No mail.");
  const PlainTable table(html, {{"Day, UTC"},
                                {"Delivered", true},
                                {"by exception", true},
                                {"not encrypted", true},
                                {"Refused", true},
                                {"Failed", true},
                                {"Waited for a demand", true},
                                {"Waited", true}});
  const auto body = html.in("tbody");
  for (const Json& day : days) {
    const auto row = html.in("tr");
    html.put("th", {{"scope", "row"}}, words_of(day, "day"));
    for (const char* key : {"delivered", "delivered_by_exception", "delivered_in_clear", "refused", "failed",
                            "waited_for_demand", "waited"})
      put_count(html, number_of(day, key));
  }
}

void put_proof(Html& html, const Json& statement, const StatementFrame& frame) {
  const auto footer = html.in("footer");
  html.put("p",
           "Counted from a ledger of " + std::to_string(number_of(statement, "ledger_days")) +
               " signed day(s) in which each row is hashed together with all before it. One row is one "
               "recipient at one "
               "attempt that came to a session; what never came to one has no demand to be counted under.");
  {
    const auto line = html.in("p");
    html.text("SHA-256 of the signed heads of these days, a line each: ");
    html.put("span", {{"class", "hash"}}, words_of(statement, "heads_sha256"));
  }
  if (const Json& heads = part_of(statement, "heads");
      heads.is_array() && !heads.empty() && heads.back().is_string()) {
    const auto line = html.in("p");
    html.text("Newest of them: ");
    html.put("span", {{"class", "hash"}}, heads.back().get<std::string>());
  }
  const auto line = html.in("p");
  html.text("To verify, with the ledger, the relay's public key and the heads beside this statement: ");
  html.put("code", frame.verify);
}

}  // namespace

std::string statement_page(const Json& statement, const StatementFrame& frame) {
  const std::string partner = words_of(statement, "partner"), domain = words_of(statement, "domain");
  const std::string whom = partner.empty() ? domain : partner;
  const Json& total = part_of(statement, "total");
  Html html;
  {
    const auto body = html.in("body");
    {
      const auto header = html.in("header");
      html.put("h1", "Transport security of mail to " + whom);
      html.put("p", words_of(statement, "from") + " to " + words_of(statement, "to") + " (UTC)" +
                        (frame.host.empty() ? "" : ", sent by " + frame.host) + "; made " + frame.made_at);
    }
    if (!flag_of(statement, "complete"))
      html.put("p", {{"class", "warn"}},
               number_of(statement, "pruned_days") > 0
                   ? "Not complete: rows of some of these days are no longer kept."
                   : "Not complete: the last of these days was not over when this was made.");
    put_statement_sums(html, total);
    put_asked(html, part_of(statement, "demands"));
    put_changes(html, part_of(statement, "changes"));
    put_pairs(html, "Exceptions that were used", "None.", "Exception", part_of(statement, "exceptions"),
              "exception", number_of(total, "delivered"));
    put_pairs(html, "Refused or put off because a demand was not met", "None.",
              "Who asked, and what was found", part_of(statement, "refusals"), "reason", 0);
    put_pairs(html, "Sessions in which mail was delivered", "None.", "Protocol and cipher",
              part_of(statement, "sessions"), "session", number_of(total, "delivered"));
    put_certificates(html, part_of(statement, "certificates"));
    put_each_day(html, part_of(statement, "days"));
    put_proof(html, statement, frame);
  }
  const std::string title =
      "Transport security, " + whom + ", " + words_of(statement, "from") + " to " + words_of(statement, "to");
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
         "content=\"width=device-width\"><title>" +
         escaped(title) + "</title><style>" + std::string(paper_sheet) + "</style></head>" + html.take() +
         "</html>\n";
}

}  // namespace sealpost::web
