// SPDX-License-Identifier: Apache-2.0
//
// The web pages of control.http, and what they ask that no other part has.
#include <algorithm>

#include "app/relay.hpp"
#include "base/log_recent.hpp"
#include "base/text.hpp"
#include "config/changes.hpp"
#include "history/days.hpp"

namespace sealpost::app {
namespace {

constexpr std::size_t most_lines = 2000;

// {"lines": [..]}: the newest, the oldest of them first. {"id": of a message}, {"words": in the line}, {"level": "warning"}.
event::Task<admin::Answer> recent_log(admin::Json arguments) {
  const std::string id = arguments.value("id", std::string()),
                    words = text::lower(arguments.value("words", std::string())),
                    level = arguments.value("level", std::string());
  const auto limit = std::clamp<std::size_t>(arguments.value("limit", std::size_t{200}), 1, most_lines);
  const std::string of_id = "\"" + id + "\"";
  const auto wanted = [&](std::string_view line) {
    if (!id.empty() && line.find(of_id) == std::string_view::npos) return false;
    if (level == "warning" && line.find("\"level\":\"info\"") != std::string_view::npos) return false;
    return words.empty() || text::lower(line).find(words) != std::string::npos;
  };
  admin::Json body{{"kept", log::keeps_recent()}, {"lines", admin::Json::array()}};
  for (const std::string& line : log::recent(limit, wanted)) {
    admin::Json parsed = admin::Json::parse(line, nullptr, false);
    if (parsed.is_object()) body["lines"].push_back(std::move(parsed));
  }
  co_return admin::Answer(std::move(body));
}

admin::Json to_json(const history::Days& found) {
  admin::Json body{{"days", admin::Json::array()},
                   {"hosts", admin::Json::array()},
                   {"damaged", found.damaged},
                   {"cut", found.cut}};
  for (const history::DayOfSessions& day : found.days) {
    admin::Json row{
        {"day", day.day}, {"passed", day.passed}, {"reported", day.reported}, {"refused", day.refused}};
    for (std::size_t i = 0; i < history::protections; ++i)
      row[std::string(history::name_of(static_cast<history::Protection>(i)))] = day.sessions.at(i);
    body["days"].push_back(std::move(row));
  }
  for (const history::HostSeen& host : found.hosts) {
    const bool shown = host.expires != SystemTime{};
    body["hosts"].push_back({{"mx", host.mx_host},
                             {"last", to_rfc3339(host.last)},
                             {"not_before", shown ? admin::Json(to_rfc3339(host.not_before)) : admin::Json()},
                             {"expires", shown ? admin::Json(to_rfc3339(host.expires)) : admin::Json()}});
  }
  return body;
}

// Hashes are nobody's business who can see the page. Keys are files, and only their names stand there.
bool is_secret(std::string_view key) { return key.ends_with(".password"); }

}  // namespace

// {"days": 30, "domain": "", "partner": ""} -> {"days": [{"day", "dane", ...}], "hosts": [{"mx", "expires", ...}],
// "cut": of too many records only those of the days shown were read, "damaged": records that were not to be believed}.
event::Task<admin::Answer> Relay::evidence_days(admin::Json arguments) {
  if (!evidence_) co_return admin::Answer(503, "no sessions are recorded", evidence_off_);
  const auto days = std::clamp<std::int64_t>(arguments.value("days", std::int64_t{30}), 1, 366);
  history::DaysWanted wanted;
  wanted.since = main_.date() - std::chrono::days(days - 1);
  wanted.domain = text::lower(arguments.value("domain", std::string()));
  wanted.partner = arguments.value("partner", std::string());
  std::function<Expected<history::Days>(history::Store&)> query = [wanted](history::Store& store) {
    return history::days_of(store, wanted);
  };
  const auto found = co_await evidence_->ask<history::Days>(main_, std::move(query));
  if (!found) co_return admin::Answer(500, found.error().detail);
  co_return admin::Answer(to_json(*found));
}

event::Task<admin::Answer> Relay::shown_config() {
  const InForcePtr now = in_force_.get();
  admin::Json body{{"source", now->config.source}, {"written", admin::Json::object()}};
  for (const auto& [key, value] : now->config.written)
    body["written"][key] = is_secret(key) ? "(hidden)" : value;
  body["wait_for_restart"] = keys_for_restart(config_.written, now->config.written);
  co_return admin::Answer(std::move(body));
}

// Whether there are any the configuration says at each request, so that a reload opens and closes them.
void Relay::serve_pages() {
  log::keep_recent(in_force_.get()->config.web.on());
  web::SiteSettings settings;
  settings.hostname = config_.hostname;
  settings.config = [this] {
    const InForcePtr now = in_force_.get();
    return web::ConfigPtr(now, &now->config.web);
  };
  settings.ask = [this](std::string name, admin::Json arguments) {
    return control_->ask(std::move(name), std::move(arguments));
  };
  site_ = std::make_unique<web::Site>(main_, std::move(settings));
  registry_.gauge("sealpost_web_sessions", "Sessions of visitors of the web pages.", "http.sessions",
                  [this] { return static_cast<double>(site_->sessions()); });
  registry_.counter("sealpost_web_logins_total", "Visitors who logged in with a password.", "http.logins",
                    site_->logins().right);
  registry_.counter("sealpost_web_logins_refused_total",
                    "Attempts to log in to the web pages that were refused.", "http.logins_refused",
                    site_->logins().refused);
  control_->handle("log.recent", recent_log);
  control_->handle("evidence.days",
                   [this](admin::Json arguments) { return evidence_days(std::move(arguments)); });
  control_->handle("config.show", [this](admin::Json) { return shown_config(); });
  http_->site([this](admin::Visit visit) { return site_->serve(std::move(visit)); },
              [this] { return in_force_.get()->config.web.on(); });
  if (!in_force_.get()->certificates) return;
  http_tls_ = std::make_unique<HttpTls>([this] { return in_force_.get()->certificates; });
  http_->tls([this](std::unique_ptr<event::Stream> plain, Duration limit) {
    return http_tls_->begin(std::move(plain), limit);
  });
}

}  // namespace sealpost::app
