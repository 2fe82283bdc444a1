// SPDX-License-Identifier: Apache-2.0
//
// What waits: by domain and age, by reason, one by one; and what can be done about it.
#include "base/amounts.hpp"
#include "base/text.hpp"
#include "base/words.hpp"
#include "web/pages/pages.hpp"
#include "web/queue_actions.hpp"
#include "web/queue_filter_form.hpp"

namespace sealpost::web {
namespace {

constexpr std::uint64_t most_domains = 40, most_listed = 200;

// 1, 2-9, 10-99, ...: how hot is a matter of magnitude, and the number stands there.
unsigned heat_of(std::uint64_t number) {
  unsigned heat = 0;
  for (std::uint64_t bound = 1; number >= bound && heat < 5; bound *= 10) ++heat;
  return heat;
}

// A row that stands for several, or for none: no filter means it.
bool is_of_no_value(std::string_view name) noexcept {
  return name.empty() || name == "(others)" || name == "(none yet)";
}

// A row's name, as a link to what it counts.
void put_row_link(Html& html, const Json& filter, const char* word, const std::string& name) {
  const auto head = html.in("th", {{"scope", "row"}});
  if (is_of_no_value(name)) return html.text(name == "(none yet)" ? "none: its turn has not come" : name);
  Json narrower = filter;
  narrower[word] = name;
  html.link(with_filter(Url("/queue"), narrower), name);
}

std::string age_words(const Json& bounds, std::size_t i) {
  const auto at = [&](std::size_t index) {
    return text::about(static_cast<std::int64_t>(bounds[index].get<std::uint64_t>()));
  };
  if (i + 1 == bounds.size()) return "over " + at(i);
  return i == 0 ? "to " + at(1) : "to " + at(i + 1);
}

void put_map(Html& html, const Json& summary, const Json& filter) {
  const Json &rows = part_of(summary, "rows"), &bounds = part_of(summary, "older_than");
  if (!rows.is_array() || rows.empty() || !bounds.is_array()) return;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < bounds.size(); ++i) names.push_back(age_words(bounds, i));
  std::vector<Column> columns{{"Domain"}, {"All", true}};
  for (const std::string& name : names) columns.push_back({name, true});
  html.put("h2", "By domain and age");
  {
    const Table table(html, "Recipients that wait, by domain and how long", std::move(columns), "heat");
    const auto body = html.in("tbody");
    for (const Json& row : rows) {
      const auto line = html.in("tr");
      put_row_link(html, filter, "domain", words_of(row, "name"));
      put_number(html, number_of(row, "recipients"));
      for (const Json& number : part_of(row, "ages")) {
        const std::uint64_t value = number.is_number_unsigned() ? number.get<std::uint64_t>() : 0;
        html.put("td", {{"class", "n h" + std::to_string(heat_of(value))}},
                 value == 0 ? "." : text::grouped(value));
      }
    }
  }
  if (number_of(summary, "rows_in_all") > rows.size())
    html.put("p", {{"class", "soft small"}},
             "The " + text::grouped(rows.size()) + " with most, of " +
                 text::grouped(number_of(summary, "rows_in_all")) + " domains.");
}

void put_reasons(Html& html, const Json& summary, const Json& filter, SystemTime now) {
  const Json& rows = part_of(summary, "rows");
  if (!rows.is_array() || rows.empty()) return;
  html.put("h2", "By reason");
  const Table table(html, "Why mail waits", {{"Reason"}, {"Recipients", true}, {"Oldest", true}});
  const auto body = html.in("tbody");
  for (const Json& row : rows) {
    const auto line = html.in("tr");
    put_row_link(html, filter, "reason", words_of(row, "name"));
    put_number(html, number_of(row, "recipients"));
    html.put("td", {{"class", "n"}}, age_of(words_of(row, "oldest"), now));
  }
}

Tone tone_of(const std::string& state) {
  if (state == "held") return Tone::bad;
  return state == "deferred" ? Tone::warn : state == "active" ? Tone::good : Tone::plain;
}

void put_entries(Html& html, const Json& listing, SystemTime now) {
  const Json& entries = part_of(listing, "entries");
  const auto total = number_of(listing, "total");
  html.put("h2", "Messages");
  const std::size_t shown = entries.is_array() ? entries.size() : 0;
  html.put("p", {{"id", "total"}, {"class", "soft"}},
           total == 0 ? "Nothing in the queue is as asked for."
           : total > shown
               ? "The oldest " + text::grouped(shown) + " of " + text::grouped(total) + " recipients."
               : text::counted(total, "recipient.", "recipients."));
  if (shown == 0) return;
  const Table table(
      html, "Mail in the queue, the oldest first",
      {{"Message"}, {"Age", true}, {"State"}, {"From"}, {"To"}, {"Tries", true}, {"Why it waits"}});
  const auto body = html.in("tbody");
  for (const Json& entry : entries) {
    const auto line = html.in("tr");
    {
      const auto head = html.in("th", {{"scope", "row"}});
      html.link(Url("/message").with("id", words_of(entry, "id")), words_of(entry, "id"),
                {{"class", "mono"}});
    }
    html.put("td", {{"class", "n"}}, age_of(words_of(entry, "arrival"), now));
    {
      const auto cell = html.in("td");
      put_tag(html, tone_of(words_of(entry, "state")), words_of(entry, "state"));
    }
    put_cell(html, words_of(entry, "sender").empty() ? "<>" : words_of(entry, "sender"));
    put_cell(html, words_of(entry, "recipient"));
    put_number(html, number_of(entry, "attempts"));
    html.put("td", {{"class", "words"}}, words_of(entry, "reason"));
  }
}

}  // namespace

event::Task<Reply> queue_page(const Call& call) {
  if (call.posted) co_return co_await act_on_queue(call);
  const Json filter = filter_of(call.query);
  Json asked{{"filter", filter}, {"limit", most_listed}};
  const admin::Answer listing = co_await call.ask("queue.list", asked);
  Reply reply;
  reply.title = "Queue";
  Html& html = reply.body;
  {
    const auto form = html.in_form(Url("/queue"), false);
    const auto fields = html.in("div", {{"class", "fields"}});
    put_filter_fields(html, call.query);
    const auto row = html.in("div", {{"class", "row"}});
    html.put("button", "Show");
    html.link(Url("/queue"), "All mail", {{"class", "button quiet"}});
  }
  if (listing.status != 200) {
    Reply wrong = refusal(listing, "Queue");
    html.add(std::move(wrong.body));
    reply.status = listing.status;
    co_return reply;
  }
  asked["limit"] = most_domains;
  asked["by"] = "domain";
  const admin::Answer domains = co_await call.ask("queue.summary", asked);
  asked["by"] = "reason";
  const admin::Answer reasons = co_await call.ask("queue.summary", asked);
  for (const admin::Answer* one : {&domains, &reasons})
    if (one->status != 200) html.add(refusal(*one, {}).body);
  put_map(html, domains.body, filter);
  put_reasons(html, reasons.body, filter, call.now);
  put_entries(html, listing.body, call.now);
  if (number_of(listing.body, "total") > 0) put_actions(html, call, filter);
  co_return reply;
}

}  // namespace sealpost::web
