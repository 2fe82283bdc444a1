// SPDX-License-Identifier: Apache-2.0
#include "admin/report_commands.hpp"

#include <algorithm>
#include <iterator>
#include <map>

#include "admin/report_days.hpp"
#include "admin/report_views.hpp"
#include "base/text.hpp"
#include "tlsrpt/counting/certificates.hpp"
#include "tlsrpt/counting/matrix.hpp"
#include "tlsrpt/counting/overview.hpp"
#include "tlsrpt/counting/refusals.hpp"
#include "tlsrpt/received/received.hpp"

namespace sealpost::admin {
namespace {

constexpr std::size_t usual_lines = 1000;
constexpr std::size_t most_lines = 100'000;
constexpr int most_plotted_before = 13;  // a day is shown among those before it
constexpr std::size_t most_report_days = 366;

class ReportCommands {
 public:
  ReportCommands(event::Loop& home, tlsrpt::DbRecorder& recorder, tlsrpt::Sender& sender,
                 tlsrpt::ReportIdentity identity)
      : home_(home), recorder_(recorder), sender_(sender), identity_(std::move(identity)) {}

  // Per day, domain and policy, with trend and the failure that weighs most.
  event::Task<Answer> list(Json arguments) {
    using Lines = std::vector<tlsrpt::OverviewLine>;
    tlsrpt::OverviewFilter filter;
    const std::string day = arguments.value("day", std::string());
    const auto days = parse_days(day);
    if (!days) co_return bad_days(day);
    filter.day = days->one() ? days->from : std::string();
    filter.from = days->from;
    filter.to = days->to;
    filter.domain = text::lower(arguments.value("domain", std::string()));
    filter.way = way_of(arguments);
    filter.organization = arguments.value("organization", std::string());
    const auto limit = std::clamp<std::size_t>(arguments.value("limit", usual_lines), 1, most_lines);
    filter.most = limit + 1;  // is there more?
    std::function<Expected<Lines>(tlsrpt::Store&)> query = [filter](tlsrpt::Store& store) {
      return tlsrpt::overview(store, filter);
    };
    Expected<Lines> lines = co_await recorder_.ask<Lines>(home_, std::move(query));
    if (!lines) co_return Answer(500, lines.error().detail);
    Json answer{{"limit", limit}, {"cut", lines->size() > limit}};
    if (lines->size() > limit) lines->resize(limit);
    answer["entries"] = list_view(*lines, filter.way, home_.date());
    co_return Answer(std::move(answer));
  }

  // {"received", "days": 14, "limit": 60}: the last days of those domains or reporters with most failures.
  event::Task<Answer> matrix(Json arguments) {
    tlsrpt::MatrixWanted wanted;
    wanted.way = way_of(arguments);
    wanted.newest = to_utc_day(home_.date());
    wanted.days = std::clamp<std::size_t>(arguments.value("days", wanted.days), 1, tlsrpt::most_matrix_days);
    wanted.most = std::clamp<std::size_t>(arguments.value("limit", wanted.most), 1, usual_lines);
    std::function<Expected<tlsrpt::Matrix>(tlsrpt::Store&)> query = [wanted](tlsrpt::Store& store) {
      return tlsrpt::matrix(store, wanted);
    };
    const auto found = co_await recorder_.ask<tlsrpt::Matrix>(home_, std::move(query));
    if (!found) co_return Answer(500, found.error().detail);
    co_return Answer(matrix_view(*found, wanted.way, home_.date()));
  }

  // A domain in plain words: one day, by default the newest with sessions, or several together; and how each of them went.
  event::Task<Answer> show(Json arguments) {
    tlsrpt::OverviewFilter filter;
    filter.domain = text::lower(arguments.value("domain", std::string()));
    filter.organization = arguments.value("organization", std::string());
    filter.way = way_of(arguments);
    const std::string day = arguments.value("day", std::string());
    const auto days = parse_days(day);
    if (!days) co_return bad_days(day);
    if (filter.domain.empty()) co_return no_domain();
    filter.from = days->from;
    filter.to = days->to;
    std::function<Expected<ShowFacts>(tlsrpt::Store&)> query = [filter](tlsrpt::Store& store) {
      return facts(store, filter);
    };
    const Expected<ShowFacts> found = co_await recorder_.ask<ShowFacts>(home_, std::move(query));
    if (!found) co_return Answer(500, found.error().detail);
    if (found->policies.empty()) co_return nothing(filter.domain, day);
    co_return Answer(show_view(*found, home_.date()));
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
    const bool look = arguments.value("look", false);  // at what was begun before; nothing is sent
    auto task = look ? sender_.progress(day, domain) : sender_.begin(day, domain);
    const auto found = co_await std::move(task);
    if (!found) {
      const Errc code = found.error().code;
      const int status = code == Errc::invalid ? 400 : code == Errc::unavailable ? 503 : 500;
      co_return Answer(status, found.error().detail);
    }
    Json answer;
    answer["day"] = day;
    answer["domains"] = found->domains;
    answer["under_way"] = found->under_way;
    answer["reports"] = rows(found->jobs);
    co_return Answer(std::move(answer));
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
    Json answer;
    answer["reports"] = rows(*jobs);
    co_return Answer(std::move(answer));
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
  static Expected<ShowFacts> facts(tlsrpt::Store& store, tlsrpt::OverviewFilter filter) {
    ShowFacts found;
    found.way = filter.way;
    found.domain = filter.domain;
    if (filter.from.empty() && filter.to.empty()) {
      auto newest = tlsrpt::newest_day(store, filter.way, filter.domain);
      if (!newest) return newest.error();
      filter.from = filter.to = *newest;
    }
    found.from = filter.from;
    found.to = filter.to;
    const bool one_day = filter.from == filter.to;
    if (filter.to.empty()) filter.to = "9999-12-31";
    if (one_day && !filter.from.empty()) filter.from = days_before(filter.to, most_plotted_before);
    auto days = tlsrpt::sums_of_days(store, filter);
    if (!days) return days.error();
    if (days->size() > most_report_days)
      days->erase(days->begin(), days->end() - most_report_days);  // the newest
    found.days = std::move(*days);
    if (!one_day && !found.days.empty()) {
      found.from = found.days.front().day;
      found.to = found.days.back().day;
    }
    for (const tlsrpt::DaySums& each : found.days) {
      if (one_day && each.day != found.to) continue;
      auto policies = filter.way == tlsrpt::Way::to_them
                          ? counted_views(store, each.day, filter.domain)
                          : received_views(store, each.day, filter.domain, filter.organization);
      if (!policies) return policies.error();
      for (PolicyView& view : *policies) join(found.policies, std::move(view), one_day);
    }
    return found;
  }

  static std::string days_before(const std::string& day, int days) {
    const auto midnight = from_rfc3339(day + "T00:00:00Z");
    return midnight ? to_utc_day(*midnight - std::chrono::days(days)) : day;
  }

  // The same policy of several days is one; so are its failures.
  static void join(std::vector<PolicyView>& into, PolicyView view, bool one_day) {
    const auto same = std::find_if(into.begin(), into.end(), [&](const PolicyView& each) {
      const tlsrpt::PolicyKey &a = each.policy.key, &b = view.policy.key;
      return !one_day && a.type == b.type && a.policy_domain == b.policy_domain &&
             a.policy_string == b.policy_string && each.organization == view.organization;
    });
    if (same == into.end()) {
      into.push_back(std::move(view));
      return;
    }
    same->policy.success += view.policy.success;
    same->policy.failure += view.policy.failure;
    same->certificates.merge(view.certificates);
    for (tlsrpt::DetailCount& detail : view.policy.details) {
      const auto known =
          std::find_if(same->policy.details.begin(), same->policy.details.end(),
                       [&](const tlsrpt::DetailCount& each) { return each.detail == detail.detail; });
      if (known != same->policy.details.end())
        known->count += detail.count;
      else if (same->policy.details.size() < usual_lines)
        same->policy.details.push_back(std::move(detail));
    }
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
    if (auto added = add_own_rules(store, day, domain, views); !added) return added.error();
    return views;
  }
  // What our own demands ended, one entry for each of them, before what others publish: it is what kept mail back.
  static Expected<void> add_own_rules(tlsrpt::Store& store, const std::string& day, const std::string& domain,
                                      std::vector<PolicyView>& views) {
    const auto refusals = tlsrpt::Refusals(store).of_day(day, domain);
    if (!refusals) return refusals.error();
    std::map<std::string, PolicyView> rules;
    for (const auto& [refusal, count] : *refusals) {
      const std::string rule = refusal.source + (refusal.origin.empty() ? "" : " " + refusal.origin);
      PolicyView& view = rules[rule];
      view.policy.key.type = tlsrpt::own_rule_type;
      view.policy.key.domain = domain;
      view.policy.key.policy_domain = rule;
      view.policy.failure += count;
      tlsrpt::DetailCount detail;
      detail.detail.result_type = refusal.result_type;
      detail.detail.reason_code = refusal.reason_code;
      detail.detail.mx_host = refusal.mx_host;
      detail.count = count;
      view.policy.details.push_back(std::move(detail));
      const auto expires = tlsrpt::Certificates(store).expiry(domain, refusal.mx_host);
      if (!expires) return expires.error();
      if (*expires) view.certificates.emplace(refusal.mx_host, **expires);
    }
    tlsrpt::OverviewLine line;
    line.day = day;
    line.domain = domain;
    line.policy_type = tlsrpt::own_rule_type;
    const auto before = tlsrpt::sums_before(store, tlsrpt::Way::to_them, line);
    if (!before) return before.error();
    std::vector<PolicyView> all;
    for (auto& [rule, view] : rules) {
      view.before = *before;
      all.push_back(std::move(view));
    }
    all.insert(all.end(), std::make_move_iterator(views.begin()), std::make_move_iterator(views.end()));
    views = std::move(all);
    return {};
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
  static Answer bad_days(const std::string& text) {
    return Answer(400, "'" + text::printable(text, 60) + "' is neither a day nor a range of days",
                  "write it as 2026-01-31, 2026-01-01..2026-01-31, 2026-01-01.. or ..2026-01-31 (UTC)");
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
  server.handle("report.matrix",
                [commands](Json arguments) { return commands->matrix(std::move(arguments)); });
  server.handle("report.show", [commands](Json arguments) { return commands->show(std::move(arguments)); });
  server.handle("report.send", [commands](Json arguments) { return commands->send(std::move(arguments)); });
  server.handle("report.why", [commands](Json arguments) { return commands->why(std::move(arguments)); });
  server.handle("report.preview",
                [commands](Json arguments) { return commands->preview(std::move(arguments)); });
}

}  // namespace sealpost::admin
