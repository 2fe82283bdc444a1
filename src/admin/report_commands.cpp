// SPDX-License-Identifier: Apache-2.0
#include "admin/report_commands.hpp"

#include <algorithm>

#include "admin/report_views.hpp"
#include "base/text.hpp"
#include "tlsrpt/certificates.hpp"
#include "tlsrpt/overview.hpp"
#include "tlsrpt/received.hpp"

namespace sealpost::admin {
namespace {

constexpr std::size_t usual_lines = 1000;
constexpr std::size_t most_lines = 100'000;

class ReportCommands {
 public:
  ReportCommands(event::Loop& home, tlsrpt::DbRecorder& recorder, tlsrpt::Sender& sender,
                 tlsrpt::ReportIdentity identity)
      : home_(home), recorder_(recorder), sender_(sender), identity_(std::move(identity)) {}

  // Per day, domain and policy, with trend and the failure that weighs most.
  event::Task<Answer> list(Json arguments) {
    using Lines = std::vector<tlsrpt::OverviewLine>;
    tlsrpt::OverviewFilter filter;
    filter.day = arguments.value("day", std::string());
    filter.domain = text::lower(arguments.value("domain", std::string()));
    filter.way = way_of(arguments);
    filter.organization = arguments.value("organization", std::string());
    filter.most = std::clamp<std::size_t>(arguments.value("limit", usual_lines), 1, most_lines);
    if (!filter.day.empty() && !is_day(filter.day)) co_return bad_day(filter.day);
    std::function<Expected<Lines>(tlsrpt::Store&)> query = [filter](tlsrpt::Store& store) {
      return tlsrpt::overview(store, filter);
    };
    const Expected<Lines> lines = co_await recorder_.ask<Lines>(home_, std::move(query));
    if (!lines) co_return Answer(500, lines.error().detail);
    co_return Answer(list_view(*lines, filter.way, home_.date()));
  }

  // One day and domain in plain words. Day defaults to the newest one with sessions.
  event::Task<Answer> show(Json arguments) {
    const std::string domain = text::lower(arguments.value("domain", std::string()));
    const std::string day = arguments.value("day", std::string());
    const std::string organization = arguments.value("organization", std::string());
    const tlsrpt::Way way = way_of(arguments);
    if (!day.empty() && !is_day(day)) co_return bad_day(day);
    if (domain.empty()) co_return no_domain();
    struct Found {
      std::string day;
      std::vector<PolicyView> policies;
    };
    std::function<Expected<Found>(tlsrpt::Store&)> query = [day, domain, organization,
                                                            way](tlsrpt::Store& store) -> Expected<Found> {
      Found found;
      found.day = day;
      if (day.empty()) {
        auto newest = tlsrpt::newest_day(store, way, domain);
        if (!newest) return newest.error();
        found.day = std::move(*newest);
      }
      auto policies = way == tlsrpt::Way::to_them ? counted_views(store, found.day, domain)
                                                  : received_views(store, found.day, domain, organization);
      if (!policies) return policies.error();
      found.policies = std::move(*policies);
      return found;
    };
    const Expected<Found> found = co_await recorder_.ask<Found>(home_, std::move(query));
    if (!found) co_return Answer(500, found.error().detail);
    if (found->policies.empty()) co_return nothing(domain, day);
    co_return Answer(show_view(found->day, domain, way, found->policies, home_.date()));
  }

  // The RFC 8460 object of one day and domain, as it would be sent. Day defaults to today (UTC).
  event::Task<Answer> preview(Json arguments) {
    using Policies = std::vector<tlsrpt::PolicyCount>;
    const std::string day = arguments.value("day", to_utc_day(home_.date()));
    const std::string domain = text::lower(arguments.value("domain", std::string()));
    if (!is_day(day)) co_return bad_day(day);
    if (domain.empty()) co_return no_domain();
    std::function<Expected<Policies>(tlsrpt::Store&)> query = [day, domain](tlsrpt::Store& store) {
      return store.policies(day, domain);
    };
    const Expected<Policies> policies = co_await recorder_.ask<Policies>(home_, std::move(query));
    if (!policies) co_return Answer(500, policies.error().detail);
    if (policies->empty()) co_return nothing(domain, day);
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
  static Expected<std::vector<PolicyView>> counted_views(tlsrpt::Store& store, const std::string& day,
                                                         const std::string& domain) {
    auto policies = store.policies(day, domain);
    if (!policies) return policies.error();
    std::vector<PolicyView> views;
    for (tlsrpt::PolicyCount& policy : *policies) {
      PolicyView view;
      tlsrpt::OverviewLine line;
      line.day = day;
      line.domain = domain;
      line.policy_type = policy.key.type;
      const auto before = tlsrpt::sums_before(store, tlsrpt::Way::to_them, line);
      if (!before) return before.error();
      view.before = *before;
      for (const auto& failure : policy.details) {
        const auto expires = tlsrpt::Certificates(store).expiry(domain, failure.detail.mx_host);
        if (!expires) return expires.error();
        if (*expires) view.certificates.emplace(failure.detail.mx_host, **expires);
      }
      view.policy = std::move(policy);
      views.push_back(std::move(view));
    }
    return views;
  }
  static Expected<std::vector<PolicyView>> received_views(tlsrpt::Store& store, const std::string& day,
                                                          const std::string& domain,
                                                          const std::string& organization) {
    auto rows = tlsrpt::Received(store).of_day(day, domain, organization, usual_lines);
    if (!rows) return rows.error();
    std::vector<PolicyView> views;
    for (tlsrpt::ReceivedPolicyRow& row : *rows) {
      PolicyView view;
      tlsrpt::OverviewLine line;
      line.day = day;
      line.organization = row.organization;
      line.domain = domain;
      line.policy_type = row.policy.type;
      const auto before = tlsrpt::sums_before(store, tlsrpt::Way::to_us, line);
      if (!before) return before.error();
      view.before = *before;
      view.organization = std::move(row.organization);
      view.report_id = std::move(row.report_id);
      view.policy.key.domain = view.policy.key.policy_domain = domain;
      view.policy.key.type = std::move(row.policy.type);
      view.policy.key.policy_string = std::move(row.policy.policy_string);
      view.policy.success = row.policy.success;
      view.policy.failure = row.policy.failure;
      for (tlsrpt::ReceivedFailure& failure : row.policy.failures) {
        tlsrpt::DetailCount detail;
        detail.detail = std::move(failure.detail);
        detail.count = failure.count;
        view.policy.details.push_back(std::move(detail));
      }
      views.push_back(std::move(view));
    }
    return views;
  }
  static tlsrpt::Way way_of(const Json& arguments) {
    return arguments.value("received", false) ? tlsrpt::Way::to_us : tlsrpt::Way::to_them;
  }
  static Answer no_domain() {
    return Answer(400, "no domain was given", "'sealpost report list' shows those with sessions");
  }
  static Answer nothing(const std::string& domain, const std::string& day) {
    return Answer(404,
                  "no TLS session with " + text::printable(domain, 255) + (day.empty() ? "" : " on " + day) +
                      " has been counted",
                  "'sealpost report list' shows those there are");
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
  server.handle("report.show", [commands](Json arguments) { return commands->show(std::move(arguments)); });
  server.handle("report.send", [commands](Json arguments) { return commands->send(std::move(arguments)); });
  server.handle("report.why", [commands](Json arguments) { return commands->why(std::move(arguments)); });
  server.handle("report.preview",
                [commands](Json arguments) { return commands->preview(std::move(arguments)); });
}

}  // namespace sealpost::admin
