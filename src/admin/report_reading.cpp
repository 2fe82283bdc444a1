// SPDX-License-Identifier: Apache-2.0
#include "admin/report_reading.hpp"

#include "base/log.hpp"
#include "base/text.hpp"
#include "tlsrpt/received/received.hpp"
#include "tlsrpt/received/received_aside.hpp"
#include "tlsrpt/received/report_file.hpp"

namespace sealpost::admin {
namespace {

using tlsrpt::Added;

// One report, and what became of it.
Json taken_json(const tlsrpt::ReceivedReport& report, Added added) {
  std::uint64_t success = 0, failure = 0;
  for (const auto& policy : report.policies) {
    success += policy.success;
    failure += policy.failure;
  }
  return {{"state", added == Added::taken ? "taken" : "known"},
          {"organization", report.organization},
          {"report_id", report.report_id},
          {"day", report.day},
          {"domain", report.domain},
          {"policies", report.policies.size()},
          {"successful_sessions", success},
          {"failed_sessions", failure},
          {"new", added == Added::taken},
          {"notes", report.notes}};
}

// Takes the reports of one file one by one: what is wrong with one keeps no other from it.
class Reading {
 public:
  Reading(tlsrpt::Store& store, std::string file, SystemTime now)
      : store_(store), file_(std::move(file)), now_(now) {}

  Expected<Json> all(const std::string& octets) {
    auto found = tlsrpt::reports_in_file(octets, file_);
    if (!found) return found.error();
    Json answer = Json::array();
    for (const tlsrpt::FoundReport& each : *found) {
      auto row = one(each);
      if (!row) return row.error();
      (*row)["piece"] = each.name;
      answer.push_back(std::move(*row));
    }
    return answer;
  }

 private:
  // Errors are the database's.
  Expected<Json> one(const tlsrpt::FoundReport& found) {
    if (!found.problem.empty()) return refuse(found, found.problem);
    auto report = tlsrpt::parse_received_report(found.octets, found.domain);
    if (!report) return refuse(found, report.error().detail);
    report->notes.insert(report->notes.begin(), found.notes.begin(), found.notes.end());
    const auto added = tlsrpt::Received(store_).add(*report, file_, now_);
    if (!added) return added.error();
    if (*added == Added::differs)
      return refuse(found, "another report of " + text::printable(report->organization, 255) +
                               " with this id, domain and range is here already, and says something else");
    log::info("report_read", {{"organization", report->organization},
                              {"report_id", report->report_id},
                              {"domain", report->domain},
                              {"day", report->day},
                              {"new", *added == Added::taken ? "yes" : "no"},
                              {"notes", report->notes.size()}});
    if (auto forgotten = tlsrpt::Aside(store_).forget_octets(found.octets); !forgotten)
      return forgotten.error();
    return taken_json(*report, *added);
  }

  Expected<Json> refuse(const tlsrpt::FoundReport& found, const std::string& why) {
    Json row{{"state", "refused"}, {"new", false}, {"why", why}, {"aside", nullptr}, {"notes", found.notes}};
    std::int64_t id = 0;
    if (!found.octets.empty()) {
      tlsrpt::KeptAside about;
      about.file = file_;
      about.piece = found.name;
      about.why = why;
      about.read_at = now_;
      const auto kept = tlsrpt::Aside(store_).keep(about, found.octets);
      if (!kept) return kept.error();
      row["aside"] = id = *kept;
    }
    log::warning("report_not_read", {{"file", file_}, {"piece", found.name}, {"why", why}, {"aside", id}});
    return row;
  }

  tlsrpt::Store& store_;
  const std::string file_;
  const SystemTime now_;
};

Answer failed(const Error& error) {
  const bool bad = error.code == Errc::invalid || error.code == Errc::too_long;
  return {bad ? 400 : error.code == Errc::not_found ? 404 : 500, error.detail};
}

// On the database's thread: unpacking and parsing are bounded, and keep no loop waiting there.
event::Task<Answer> read(event::Loop& home, tlsrpt::StoreAccess& store, Json arguments) {
  const std::string name = arguments.value("name", std::string());
  auto octets = text::from_base64(arguments.value("octets", std::string()));
  if (!octets || octets->empty()) co_return Answer(400, "the file is empty");
  const SystemTime now = home.date();
  std::function<Expected<Json>(tlsrpt::Store&)> work = [name, octets = std::move(*octets),
                                                        now](tlsrpt::Store& where) {
    return Reading(where, name, now).all(octets);
  };
  const Expected<Json> taken = co_await store.ask<Json>(home, std::move(work));
  if (!taken) co_return failed(taken.error());
  Json answer;
  answer["reports"] = *taken;
  co_return Answer(std::move(answer));
}

Expected<Json> aside_list(tlsrpt::Store& store) {
  const auto kept = tlsrpt::Aside(store).list();
  if (!kept) return kept.error();
  Json all = Json::array();
  for (const tlsrpt::KeptAside& each : *kept)
    all.push_back({{"id", each.id},
                   {"file", each.file},
                   {"piece", each.piece},
                   {"why", each.why},
                   {"read_at", to_rfc3339(each.read_at)},
                   {"octets", each.octets}});
  Json answer;
  answer["reports"] = std::move(all);
  return answer;
}

// What is kept aside: all of it by name, one piece as it came, or one piece forgotten.
event::Task<Answer> aside(event::Loop& home, tlsrpt::StoreAccess& store, Json arguments) {
  const std::string verb = arguments.value("verb", std::string("list"));
  const auto id = arguments.value("id", std::int64_t(0));
  std::function<Expected<Json>(tlsrpt::Store&)> work = [verb, id](tlsrpt::Store& where) -> Expected<Json> {
    if (verb == "list") return aside_list(where);
    const Error none(Errc::not_found, "nothing is kept aside as " + std::to_string(id));
    if (verb == "forget") {
      const auto gone = tlsrpt::Aside(where).forget(id);
      if (!gone) return gone.error();
      if (!*gone) return none;
      return Json{{"forgotten", id}};
    }
    const auto octets = tlsrpt::Aside(where).octets(id);
    if (!octets) return octets.error();
    if (!*octets) return none;
    return Json{{"id", id}, {"octets", text::base64(**octets)}};
  };
  const Expected<Json> answer = co_await store.ask<Json>(home, std::move(work));
  if (answer) co_return Answer(*answer);
  co_return failed(answer.error());
}

}  // namespace

void serve_report_reading(ControlServer& server, event::Loop& home, tlsrpt::StoreAccess& store) {
  server.handle("report.read",
                [&home, &store](Json arguments) { return read(home, store, std::move(arguments)); });
  server.handle("report.aside",
                [&home, &store](Json arguments) { return aside(home, store, std::move(arguments)); });
}

}  // namespace sealpost::admin
