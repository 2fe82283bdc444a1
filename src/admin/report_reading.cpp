// SPDX-License-Identifier: Apache-2.0
#include "admin/report_reading.hpp"

#include "base/text.hpp"
#include "tlsrpt/received/received_aside.hpp"
#include "tlsrpt/received/taking.hpp"

namespace sealpost::admin {
namespace {

using tlsrpt::TakenPiece;

// One report, and what became of it.
Json json_of(const TakenPiece& piece) {
  if (piece.state == TakenPiece::State::refused)
    return {{"state", "refused"},   {"new", false},
            {"why", piece.why},     {"piece", piece.piece},
            {"notes", piece.notes}, {"aside", piece.aside == 0 ? Json() : Json(piece.aside)}};
  std::uint64_t success = 0, failure = 0;
  for (const auto& policy : piece.report.policies) {
    success += policy.success;
    failure += policy.failure;
  }
  const bool taken = piece.state == TakenPiece::State::taken;
  return {{"state", taken ? "taken" : "known"},
          {"organization", piece.report.organization},
          {"report_id", piece.report.report_id},
          {"day", piece.report.day},
          {"domain", piece.report.domain},
          {"policies", piece.report.policies.size()},
          {"successful_sessions", success},
          {"failed_sessions", failure},
          {"new", taken},
          {"piece", piece.piece},
          {"notes", piece.notes}};
}

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
                                                        now](tlsrpt::Store& where) -> Expected<Json> {
    const auto pieces = tlsrpt::take_reports(where, octets, name, {}, now);
    if (!pieces) return pieces.error();
    Json all = Json::array();
    for (const TakenPiece& piece : *pieces) all.push_back(json_of(piece));
    return all;
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
