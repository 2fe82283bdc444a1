// SPDX-License-Identifier: Apache-2.0
#include "admin/report_reading.hpp"

#include "base/log.hpp"
#include "base/text.hpp"
#include "tlsrpt/received.hpp"
#include "tlsrpt/report_file.hpp"

namespace sealpost::admin {
namespace {

// One report, and what became of it.
Json taken_json(const tlsrpt::ReceivedReport& report, bool added) {
  std::uint64_t success = 0, failure = 0;
  for (const auto& policy : report.policies) {
    success += policy.success;
    failure += policy.failure;
  }
  return {{"organization", report.organization},
          {"report_id", report.report_id},
          {"day", report.day},
          {"domain", report.policies.empty() ? std::string() : report.policies.front().domain},
          {"policies", report.policies.size()},
          {"successful_sessions", success},
          {"failed_sessions", failure},
          {"new", added},
          {"notes", report.notes}};
}

// On the database's thread: unpacking and parsing are bounded, and keep no loop waiting there.
Expected<Json> take(tlsrpt::Store& store, const std::string& name, const std::string& octets,
                    SystemTime now) {
  const auto texts = tlsrpt::reports_in_file(octets);
  if (!texts) return texts.error();
  Json all = Json::array();
  for (const std::string& text : *texts) {
    const auto report = tlsrpt::parse_received_report(text);
    if (!report) return report.error();
    const auto added = tlsrpt::Received(store).add(*report, name, now);
    if (!added) return added.error();
    log::info("report_read", {{"organization", report->organization},
                              {"report_id", report->report_id},
                              {"day", report->day},
                              {"new", *added ? "yes" : "no"},
                              {"notes", report->notes.size()}});
    all.push_back(taken_json(*report, *added));
  }
  return all;
}

event::Task<Answer> read(event::Loop& home, tlsrpt::StoreAccess& store, Json arguments) {
  const std::string name = arguments.value("name", std::string());
  auto octets = text::from_base64(arguments.value("octets", std::string()));
  if (!octets || octets->empty()) co_return Answer(400, "the file is empty");
  const SystemTime now = home.date();
  std::function<Expected<Json>(tlsrpt::Store&)> work = [name, octets = std::move(*octets),
                                                        now](tlsrpt::Store& where) {
    return take(where, name, octets, now);
  };
  const Expected<Json> taken = co_await store.ask<Json>(home, std::move(work));
  if (taken) co_return Answer(*taken);
  const bool bad = taken.error().code == Errc::invalid || taken.error().code == Errc::too_long;
  co_return Answer(bad ? 400 : 500, taken.error().detail);
}

}  // namespace

void serve_report_reading(ControlServer& server, event::Loop& home, tlsrpt::StoreAccess& store) {
  server.handle("report.read",
                [&home, &store](Json arguments) { return read(home, store, std::move(arguments)); });
}

}  // namespace sealpost::admin
