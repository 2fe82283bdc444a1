// SPDX-License-Identifier: Apache-2.0
#include "admin/report_commands.hpp"

#include "base/text.hpp"

namespace sealpost::admin {
namespace {

constexpr std::size_t most_lines = 100'000;

class ReportCommands {
 public:
  ReportCommands(event::Loop& home, tlsrpt::DbRecorder& recorder, tlsrpt::Sender& sender,
                 tlsrpt::ReportIdentity identity)
      : home_(home), recorder_(recorder), sender_(sender), identity_(std::move(identity)) {}

  event::Task<Answer> list(Json arguments) {
    using Days = std::vector<tlsrpt::DomainDay>;
    const std::string day = arguments.value("day", std::string());
    const std::string domain = text::lower(arguments.value("domain", std::string()));
    if (!day.empty() && !is_day(day)) co_return bad_day(day);
    std::function<Expected<Days>(tlsrpt::Store&)> query = [day, domain](tlsrpt::Store& store) {
      return store.days(day, domain, most_lines);
    };
    const Expected<Days> days = co_await recorder_.ask<Days>(home_, std::move(query));
    if (!days) co_return Answer(500, days.error().detail);
    Json all = Json::array();
    for (const auto& line : *days) {
      all.push_back({{"day", line.day},
                     {"domain", line.domain},
                     {"successful_sessions", line.success},
                     {"failed_sessions", line.failure}});
    }
    co_return Answer(std::move(all));
  }

  // The RFC 8460 object of one day and domain, as it would be sent. Day defaults to today (UTC).
  event::Task<Answer> preview(Json arguments) {
    using Policies = std::vector<tlsrpt::PolicyCount>;
    const std::string day = arguments.value("day", to_utc_day(home_.wall()));
    const std::string domain = text::lower(arguments.value("domain", std::string()));
    if (!is_day(day)) co_return bad_day(day);
    if (domain.empty())
      co_return Answer(400, "no domain was given", "'sealpost report list' shows those with sessions");
    std::function<Expected<Policies>(tlsrpt::Store&)> query = [day, domain](tlsrpt::Store& store) {
      return store.policies(day, domain);
    };
    const Expected<Policies> policies = co_await recorder_.ask<Policies>(home_, std::move(query));
    if (!policies) co_return Answer(500, policies.error().detail);
    if (policies->empty())
      co_return Answer(404, "no TLS session with " + domain + " on " + day,
                       "'sealpost report list' shows those there are");
    co_return Answer(Json(tlsrpt::build_report(identity_, day, domain, *policies)));
  }

  event::Task<Answer> send(Json arguments) {
    const std::string day = arguments.value("day", std::string());
    const std::string domain = text::lower(arguments.value("domain", std::string()));
    if (!is_day(day)) co_return bad_day(day);
    const auto jobs = co_await sender_.send_now(day, domain);
    if (!jobs) co_return Answer(jobs.error().code == Errc::invalid ? 400 : 500, jobs.error().detail);
    co_return Answer(rows(*jobs));
  }

  // What became of a domain's reports, newest day first.
  event::Task<Answer> why(Json arguments) {
    using List = std::vector<tlsrpt::ReportJob>;
    const std::string domain = text::lower(arguments.value("domain", std::string()));
    if (domain.empty()) co_return Answer(400, "no domain was given");
    std::function<Expected<List>(tlsrpt::Store&)> query = [domain](tlsrpt::Store& store) {
      return tlsrpt::Jobs(store).of_domain(domain, most_lines);
    };
    const Expected<List> jobs = co_await recorder_.ask<List>(home_, std::move(query));
    if (!jobs) co_return Answer(500, jobs.error().detail);
    co_return Answer(rows(*jobs));
  }

 private:
  static Json rows(const std::vector<tlsrpt::ReportJob>& jobs) {
    Json all = Json::array();
    for (const auto& job : jobs) {
      Json row;
      row["day"] = job.day;
      row["domain"] = job.domain;
      row["target"] = job.target.empty() ? Json() : Json(job.target);
      row["state"] = name_of(job.state);
      row["attempts"] = job.attempts;
      row["next_attempt"] =
          job.state == tlsrpt::JobState::waiting ? Json(to_rfc3339(job.next_attempt)) : Json();
      row["result"] = job.last_result;
      all.push_back(std::move(row));
    }
    return all;
  }
  static bool is_day(const std::string& text) {
    return text.size() == 10 && from_rfc3339(text + "T00:00:00Z").has_value();
  }
  static Answer bad_day(const std::string& text) {
    return Answer(400, "'" + text::printable(text, 40) + "' is not a day", "write it as 2026-01-31 (UTC)");
  }

  event::Loop& home_;
  tlsrpt::DbRecorder& recorder_;
  tlsrpt::Sender& sender_;
  tlsrpt::ReportIdentity identity_;
};

}  // namespace

void serve_report_commands(ControlServer& server, event::Loop& home, tlsrpt::DbRecorder& recorder,
                           tlsrpt::Sender& sender, tlsrpt::ReportIdentity identity) {
  const auto commands = std::make_shared<ReportCommands>(home, recorder, sender, std::move(identity));
  server.handle("report.list", [commands](Json arguments) { return commands->list(std::move(arguments)); });
  server.handle("report.send", [commands](Json arguments) { return commands->send(std::move(arguments)); });
  server.handle("report.why", [commands](Json arguments) { return commands->why(std::move(arguments)); });
  server.handle("report.preview",
                [commands](Json arguments) { return commands->preview(std::move(arguments)); });
}

}  // namespace sealpost::admin
