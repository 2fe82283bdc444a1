// SPDX-License-Identifier: Apache-2.0
//
// How mail travelled: sessions of 30 days by the strongest protection that held.
#include <array>
#include <map>

#include "base/text.hpp"
#include "base/words.hpp"
#include "web/kit.hpp"
#include "web/pages/pages.hpp"

namespace sealpost::web {
namespace {

constexpr int shown_month = 30;

struct Kind {
  const char *key, *name, *means;
  unsigned colour;
};
constexpr std::array<Kind, 6> kinds = {{
    {"dane", "DANE", "the certificate matched signed records of the host", 1},
    {"mta_sts", "MTA-STS", "a trusted certificate of a host that the domain's policy names", 2},
    {"verified", "verified", "a trusted certificate of the host, though nothing published demands it", 5},
    {"encrypted", "encrypted", "encrypted, with a host that proved nothing", 3},
    {"clear", "in clear", "readable on its way", 4},
    {"refused", "refused", "no mail went: a demand was not met", 6},
}};

Picture picture_of(const std::map<std::string, Json>& days, SystemTime now) {
  Picture picture;
  picture.title = "Sessions by day and protection";
  picture.place_is = "Day (UTC)";
  for (const Kind& kind : kinds) picture.series.push_back({kind.name, kind.colour, {}});
  for (int i = shown_month - 1; i >= 0; --i) {
    const std::string day = to_utc_day(now - std::chrono::days(i));
    picture.names.push_back(day);
    picture.places.push_back(i % 7 == 0 ? day.substr(5) : std::string());
    const auto found = days.find(day);
    for (std::size_t k = 0; k < kinds.size(); ++k)
      picture.series[k].values.push_back(found == days.end() ? 0 : number_of(found->second, kinds.at(k).key));
  }
  return picture;
}

std::string share_of(std::uint64_t part, std::uint64_t all) {
  if (all == 0) return "-";
  const auto thousandths = part * 1000 / all;
  return std::to_string(thousandths / 10) + "." + std::to_string(thousandths % 10) + " %";
}

}  // namespace

event::Task<Reply> transit_page(const Call& call) {
  const std::string domain(call.query.value("domain"));
  const Json asked{{"days", shown_month}, {"domain", domain}};
  const admin::Answer answer = co_await call.ask("evidence.days", asked);
  if (answer.status != 200) co_return refusal(answer, "Transit");
  std::map<std::string, Json> days;
  for (const Json& day : part_of(answer.body, "days")) days.emplace(words_of(day, "day"), day);
  Picture picture = picture_of(days, call.now);
  std::array<std::uint64_t, kinds.size()> sums{};
  std::uint64_t all = 0;
  for (std::size_t k = 0; k < kinds.size(); ++k)
    for (const std::uint64_t value : picture.series[k].values) {
      sums.at(k) += value;
      all += value;
    }
  Reply reply;
  reply.title = domain.empty() ? "Transit" : "Transit: " + domain.substr(0, 100);
  Html& html = reply.body;
  html.put("p", {{"class", "soft"}},
           "How sessions with other hosts were protected in 30 days, each by the strongest thing that held. "
           "One session may "
           "carry several messages.");
  put_left_out(html, answer.body);
  picture.about = text::grouped(all) + " sessions in 30 days.";
  put_areas(html, picture);
  {
    const Table table(html, "Sessions of 30 days",
                      {{"Protection"}, {"Sessions", true}, {"Share", true}, {"Means"}});
    const auto body = html.in("tbody");
    for (std::size_t k = 0; k < kinds.size(); ++k) {
      const auto row = html.in("tr");
      put_row_head(html, kinds.at(k).name);
      put_number(html, sums.at(k));
      html.put("td", {{"class", "n"}}, share_of(sums.at(k), all));
      html.put("td", {{"class", "words"}}, kinds.at(k).means);
    }
  }
  const auto form = html.in_form(Url("/transit"), false);
  const auto row = html.in("div", {{"class", "row"}});
  put_field(html, "domain", "Of one domain", domain, "partner.example");
  html.put("button", "Show");
  co_return reply;
}

}  // namespace sealpost::web
