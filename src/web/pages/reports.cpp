// SPDX-License-Identifier: Apache-2.0
//
// Sessions by domain and day: ours with others, as they are counted for reports (To them), and those of others with us, as
// their reports say (To us). And one domain of either: how its days went, what failed, why, and what to do.
#include <algorithm>

#include "base/text.hpp"
#include "base/words.hpp"
#include "web/kit.hpp"
#include "web/pages/pages.hpp"

namespace sealpost::web {
namespace {

constexpr int shown_days = 14;
constexpr std::size_t most_rows = 60;

struct Cell {
  std::uint64_t good = 0, failed = 0;
};
Cell cell_of(const Json& sums) {
  return {number_of(sums, "successful_sessions"), number_of(sums, "failed_sessions")};
}

struct Side {
  bool received;
  const char *title, *row_is;
  std::string about;
};

std::string name_of_row(const Side& side, const Json& entry) {
  return side.received ? words_of(entry, "organization") + " about " + words_of(entry, "domain")
                       : words_of(entry, "domain");
}

unsigned heat_of(const Cell& cell) {
  if (cell.failed == 0) return 0;
  const double share = static_cast<double>(cell.failed) / static_cast<double>(cell.good + cell.failed);
  return share < 0.01 ? 1 : share < 0.05 ? 2 : share < 0.2 ? 3 : share < 0.5 ? 4 : 5;
}

void put_cell_of_day(Html& html, const Cell& cell) {
  const std::uint64_t all = cell.good + cell.failed;
  const std::string words =
      all == 0 ? "" : text::grouped(cell.failed) + " of " + text::grouped(all) + " failed";
  const auto box = html.in("td", {{"class", "n h" + std::to_string(heat_of(cell))}, {"title", words}});
  if (all == 0) return html.text(".");
  html.text(cell.failed == 0 ? text::grouped(all) : text::grouped(cell.failed) + "/" + text::grouped(all));
}

// The newest day first, as people look for today.
void put_matrix(Html& html, const Side& side, const Json& matrix) {
  const Json &rows = part_of(matrix, "rows"), &days = part_of(matrix, "days");
  std::vector<std::string> names;
  for (const Json& day : days) names.push_back(day.is_string() ? day.get<std::string>().substr(5) : "");
  std::vector<Column> columns{{side.row_is}, {"All", true}, {"Failed", true}};
  for (const std::string& name : names) columns.push_back({name, true});
  const Table table(html, "Sessions by day (UTC), the newest first: all, or failed/all", std::move(columns),
                    "heat");
  const auto body = html.in("tbody");
  for (const Json& row : rows) {
    const auto line = html.in("tr");
    {
      const auto head = html.in("th", {{"scope", "row"}});
      html.link(
          Url("/reports").with("domain", words_of(row, "domain")).with("received", side.received ? "1" : ""),
          name_of_row(side, row));
    }
    const Cell sum = cell_of(row);
    put_number(html, sum.good + sum.failed);
    put_number(html, sum.failed);
    for (const Json& day : part_of(row, "days")) put_cell_of_day(html, cell_of(day));
  }
}

void put_more(Html& html, const Json& matrix, std::size_t shown) {
  const auto all = number_of(matrix, "rows_in_all");
  if (all > shown)
    html.put("p", {{"class", "soft small"}, {"id", "more"}},
             "The " + text::grouped(shown) + " with most failures, of " + text::grouped(all) +
                 (flag_of(matrix, "cut") ? " and more that were not looked at." : "."));
}

void put_failures(Html& html, const Side& side, const Json& rows) {
  if (std::none_of(rows.begin(), rows.end(), [](const Json& row) { return row.contains("worst"); })) return;
  html.put("h2", "What failed most, and what to do");
  const Table table(html, "The failure that weighs most, by its last day",
                    {{side.row_is}, {"Host"}, {"What"}, {"Cause"}, {"What to do"}});
  const auto body = html.in("tbody");
  for (const Json& row : rows) {
    const Json& worst = part_of(row, "worst");
    if (worst.is_null()) continue;
    const auto line = html.in("tr");
    put_row_head(html, name_of_row(side, row));
    put_cell(html, words_of(worst, "mx_host"));
    html.put("td", {{"class", "words"}}, words_of(worst, "what"));
    html.put("td", {{"class", "words"}}, words_of(worst, "cause"));
    html.put("td", {{"class", "words"}}, words_of(worst, "remedy"));
  }
}

event::Task<Reply> side_page(const Call& call, Side side) {
  const Json asked{{"received", side.received}, {"days", shown_days}, {"limit", most_rows}};
  const admin::Answer answer = co_await call.ask("report.matrix", asked);
  if (answer.status != 200) co_return refusal(answer, side.title);
  Reply reply;
  reply.title = side.title;
  Html& html = reply.body;
  html.put("p", {{"class", "soft"}}, side.about);
  const Json& rows = part_of(answer.body, "rows");
  if (!rows.is_array() || rows.empty()) {
    html.put("p", {{"class", "card"}, {"id", "nothing"}}, "Nothing in the last fourteen days.");
    co_return reply;
  }
  put_matrix(html, side, answer.body);
  put_more(html, answer.body, rows.size());
  put_failures(html, side, rows);
  co_return reply;
}

void put_days(Html& html, const Json& days) {
  if (!days.is_array() || days.empty()) return;
  Picture picture;
  picture.title = "Sessions by day";
  picture.place_is = "Day (UTC)";
  picture.series = {{"went well", 1, {}}, {"failed", 4, {}}, {"refused by our own demands", 3, {}}};
  for (const Json& day : days) {
    const std::string name = words_of(day, "day");
    picture.names.push_back(name);
    picture.places.push_back(days.size() <= 14 && name.size() == 10 ? name.substr(5) : std::string());
    picture.series[0].values.push_back(number_of(day, "successful_sessions"));
    picture.series[1].values.push_back(number_of(day, "failed_sessions"));
    picture.series[2].values.push_back(number_of(day, "refused_sessions"));
  }
  picture.about = "Sessions that went well, failed, or were refused, by day.";
  put_columns(html, picture);
}

std::string trend_of(const std::string& trend) {
  return trend == "first"  ? "there is nothing before to compare with."
         : trend == "same" ? "as in the seven days before."
                           : trend + " than in the seven days before.";
}

void put_policy(Html& html, const Json& policy) {
  const auto card =
      html.in("section", {{"class", number_of(policy, "failed_sessions") > 0 ? "card warn" : "card good"}});
  {
    const auto head = html.in("h3");
    html.text(words_of(policy, "policy_type") + " " + words_of(policy, "policy_domain") + " ");
    if (const std::string mode = words_of(policy, "policy_mode"); !mode.empty())
      put_tag(html, Tone::plain, mode);
  }
  if (const std::string organization = words_of(policy, "organization"); !organization.empty())
    html.put("p", "Reported by " + organization);
  html.put("p", text::grouped(number_of(policy, "successful_sessions")) + " sessions went well, " +
                    text::grouped(number_of(policy, "failed_sessions")) + " failed; " +
                    trend_of(words_of(policy, "trend")));
  const Json& failures = part_of(policy, "failures");
  if (!failures.is_array() || failures.empty()) return;
  const Table table(html, "Failures", {{"Host"}, {"Sessions", true}, {"What"}, {"Cause"}, {"What to do"}});
  const auto body = html.in("tbody");
  for (const Json& failure : failures) {
    const auto row = html.in("tr");
    put_row_head(html, words_of(failure, "mx_host").empty() ? "-" : words_of(failure, "mx_host"));
    put_number(html, number_of(failure, "sessions"));
    html.put("td", {{"class", "words"}}, words_of(failure, "what"));
    html.put("td", {{"class", "words"}}, words_of(failure, "cause"));
    html.put("td", {{"class", "words"}}, words_of(failure, "remedy"));
  }
}

}  // namespace

event::Task<Reply> to_them_page(const Call& call) {
  Side side{false, "To them", "Domain",
            "Our sessions with others, as counted for the reports that we send (TLS-RPT)."};
  co_return co_await side_page(call, std::move(side));
}

event::Task<Reply> to_us_page(const Call& call) {
  Side side{true, "To us", "Reporter",
            "Sessions of others with us, as the reports say that we have received."};
  co_return co_await side_page(call, std::move(side));
}

event::Task<Reply> report_page(const Call& call) {
  const std::string domain(call.query.value("domain"));
  const bool received = call.query.has("received");
  Json asked{{"domain", domain}, {"received", received}};
  if (const std::string_view day = call.query.value("day"); !day.empty()) asked["day"] = day;
  const admin::Answer answer = co_await call.ask("report.show", asked);
  if (answer.status != 200) co_return refusal(answer, "Reports");
  Reply reply;
  reply.title = domain.substr(0, 100) + (received ? ": what others report" : ": our sessions");
  Html& html = reply.body;
  {
    const auto line = html.in("p");
    html.link(received ? Url("/to-us") : Url("/to-them"), received ? "All reporters" : "All domains");
  }
  put_days(html, part_of(answer.body, "days"));
  html.put("h2", words_of(answer.body, "from") == words_of(answer.body, "to")
                     ? "On " + words_of(answer.body, "to")
                     : words_of(answer.body, "from") + " to " + words_of(answer.body, "to"));
  for (const Json& policy : part_of(answer.body, "policies")) put_policy(html, policy);
  co_return reply;
}

}  // namespace sealpost::web
