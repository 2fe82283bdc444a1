// SPDX-License-Identifier: Apache-2.0
//
// The tail of the log as this run has kept it in memory, and the configuration in force without its secrets.
#include "base/words.hpp"
#include "mail/message_id.hpp"
#include "web/kit.hpp"
#include "web/pages/pages.hpp"

namespace sealpost::web {
namespace {

constexpr std::size_t most_lines = 300;

Tone tone_of_level(const std::string& level) {
  return level == "error" ? Tone::bad : level == "warning" ? Tone::warn : Tone::plain;
}

// Other lines have other ids, of a policy for example.
bool is_queue_id(std::string_view id) { return MessageId::parse(id).has_value(); }

std::string rest_of(const Json& line) {
  std::string all;
  for (const auto& [key, value] : line.items()) {
    if (key == "time" || key == "level" || key == "event") continue;
    if (key == "id" && is_queue_id(words_of(line, "id"))) continue;
    all += (all.empty() ? "" : "  ") + key + "=" + words_of(line, key.c_str());
  }
  return all;
}

void put_lines(Html& html, const Json& lines) {
  if (!lines.is_array() || lines.empty()) {
    html.put("p", {{"class", "card"}}, "No line of this kind is kept in memory.");
    return;
  }
  const Table table(html, "The last lines, the newest first",
                    {{"Time (UTC)"}, {"Level"}, {"Event"}, {"Message"}, {"What"}}, "log");
  const auto body = html.in("tbody");
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    const auto row = html.in("tr");
    const std::string time = words_of(*line, "time"), id = words_of(*line, "id");
    html.put("td", {{"class", "n"}},
             time.size() >= 23 ? time.substr(0, 10) + " " + time.substr(11, 12) : time);
    {
      const auto cell = html.in("td");
      put_tag(html, tone_of_level(words_of(*line, "level")), words_of(*line, "level"));
    }
    put_row_head(html, words_of(*line, "event"));
    {
      const auto cell = html.in("td");
      if (is_queue_id(id))
        html.link(Url("/message").with("id", id), id.substr(0, 12) + "...", {{"class", "mono"}});
    }
    html.put("td", {{"class", "words mono"}}, rest_of(*line));
  }
}

}  // namespace

event::Task<Reply> log_page(const Call& call) {
  Json asked{{"limit", most_lines}};
  asked["words"] = call.query.value("words");
  asked["level"] = call.query.value("level");
  const admin::Answer lines = co_await call.ask("log.recent", asked);
  if (lines.status != 200) co_return refusal(lines, "Log");
  Reply reply;
  reply.title = "Log";
  Html& html = reply.body;
  const bool live = call.query.has("live");
  reply.refresh = live ? 10 : 0;
  {
    const auto form = html.in_form(Url("/log"), false);
    const auto row = html.in("div", {{"class", "row"}});
    put_field(html, "words", "Has", call.query.value("words"));
    put_choice(html, "level", "Level", call.query.value("level"), {"", "warning"});
    html.put("button", "Show");
    const Url::Written here =
        Url("/log").with("words", call.query.value("words")).with("level", call.query.value("level"));
    html.link(here.with("live", live ? "" : "1"), live ? "Stop refreshing" : "Refresh every 10 seconds",
              {{"class", "button quiet"}});
  }
  put_lines(html, part_of(lines.body, "lines"));
  co_return reply;
}

event::Task<Reply> settings_page(const Call& call) {
  const admin::Answer config = co_await call.ask("config.show");
  if (config.status != 200) co_return refusal(config, "Settings");
  Reply reply;
  reply.title = "Settings";
  Html& html = reply.body;
  html.put("p", "In force, as read from " + words_of(config.body, "source") +
                    ". What is not listed has its default.");
  if (const Json& waiting = part_of(config.body, "wait_for_restart");
      waiting.is_array() && !waiting.empty()) {
    const auto card = html.in("div", {{"class", "card warn"}});
    html.put("p", "These were changed and wait for a restart:");
    const auto list = html.in("ul");
    for (const Json& key : waiting)
      html.put("li", {{"class", "mono"}}, key.is_string() ? key.get<std::string>() : "");
  }
  const Table table(html, "What is set", {{"Key"}, {"Value"}});
  const auto body = html.in("tbody");
  for (const auto& [key, value] : part_of(config.body, "written").items()) {
    const auto row = html.in("tr");
    html.put("th", {{"scope", "row"}, {"class", "mono"}}, key);
    html.put("td", {{"class", "mono words"}}, value.is_string() ? value.get<std::string>() : value.dump());
  }
  co_return reply;
}

}  // namespace sealpost::web
