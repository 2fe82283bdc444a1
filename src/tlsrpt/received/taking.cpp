// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/received/taking.hpp"

#include "base/log.hpp"
#include "base/text.hpp"
#include "tlsrpt/received/received.hpp"
#include "tlsrpt/received/received_aside.hpp"
#include "tlsrpt/received/report_file.hpp"

namespace sealpost::tlsrpt {
namespace {

constexpr auto one_day = std::chrono::hours(24);
constexpr auto most_ahead = 2 * one_day;

// Counts may be lost with the power; a report that its sender was thanked for may not.
class OnDisk {
 public:
  explicit OnDisk(Store& store) : store_(store), begun_(store.run("PRAGMA synchronous=FULL")) {}
  OnDisk(const OnDisk&) = delete;
  OnDisk& operator=(const OnDisk&) = delete;
  const Expected<void>& begun() const noexcept { return begun_; }
  ~OnDisk() { static_cast<void>(store_.run("PRAGMA synchronous=NORMAL")); }

 private:
  Store& store_;
  const Expected<void> begun_;
};

class Taking {
 public:
  Taking(Store& store, const std::string& file, const std::vector<std::string>& notes, SystemTime now,
         StrangersRoom* room)
      : store_(store), file_(file), notes_(notes), now_(now), room_(room) {}

  // Errors are the database's.
  Expected<TakenPiece> one(const FoundReport& found) {
    if (room_ != nullptr && !room_->has(found.octets.size(), now_))
      return Error(
          Errc::no_space,
          "as much has come within a day as is taken of strangers; reports of others wait for tomorrow");
    if (!found.problem.empty()) return refuse(found, found.problem);
    auto report = parse_received_report(found.octets, found.domain);
    if (!report) return refuse(found, report.error().detail);
    // Kept by their day: of one that is far ahead nothing would ever be forgotten.
    if (const std::string newest = to_utc_day(now_ + most_ahead); report->day > newest)
      return refuse(found, "/date-range: its day, " + report->day + ", is later than " + newest +
                               ", two days from now");
    report->notes.insert(report->notes.begin(), found.notes.begin(), found.notes.end());
    report->notes.insert(report->notes.begin(), notes_.begin(), notes_.end());
    const auto added = Received(store_).add(*report, file_, now_);
    if (!added) return added.error();
    if (*added == Added::differs)
      return refuse(found, "another report of " + text::printable(report->organization, 255) +
                               " with this id, domain and range is here already, and says something else");
    if (room_ != nullptr)
      room_->take(*added == Added::taken ? found.octets.size() : 0);
    else
      log_read(*report, *added);
    if (auto forgotten = Aside(store_).forget_octets(found.octets); !forgotten) return forgotten.error();
    TakenPiece piece;
    piece.state = *added == Added::taken ? TakenPiece::State::taken : TakenPiece::State::known;
    piece.piece = found.name;
    piece.notes = report->notes;
    piece.report = std::move(*report);
    return piece;
  }

 private:
  static void log_read(const ReceivedReport& report, Added added) {
    log::info("report_read", {{"organization", report.organization},
                              {"report_id", report.report_id},
                              {"domain", report.domain},
                              {"day", report.day},
                              {"new", added == Added::taken ? "yes" : "no"},
                              {"notes", report.notes.size()}});
  }

  Expected<TakenPiece> refuse(const FoundReport& found, const std::string& why) {
    TakenPiece piece;
    piece.piece = found.name;
    piece.notes = found.notes;
    piece.notes.insert(piece.notes.begin(), notes_.begin(), notes_.end());
    piece.why = why;
    if (!found.octets.empty()) {
      KeptAside about;
      about.file = file_;
      about.piece = found.name;
      about.why = why;
      about.read_at = now_;
      const auto kept = Aside(store_).keep(about, found.octets);
      if (!kept) return kept.error();
      piece.aside = *kept;
    }
    if (room_ != nullptr)
      room_->take(found.octets.size());
    else
      log::warning("report_not_read",
                   {{"file", file_}, {"piece", found.name}, {"why", why}, {"aside", piece.aside}});
    return piece;
  }

  Store& store_;
  const std::string& file_;
  const std::vector<std::string>& notes_;
  const SystemTime now_;
  StrangersRoom* const room_;
};

}  // namespace

bool StrangersRoom::has(std::uint64_t octets, SystemTime now) noexcept {
  const auto passed = std::clamp<SystemTime::duration>(now - filled_, {}, one_day);
  left_ =
      std::min(a_day_, left_ + static_cast<std::uint64_t>(static_cast<double>(a_day_) *
                                                          (std::chrono::duration<double>(passed) / one_day)));
  filled_ = now;
  return octets <= left_;
}

Expected<std::vector<TakenPiece>> take_reports(Store& store, const std::string& octets,
                                               const std::string& file, const std::vector<std::string>& notes,
                                               SystemTime now, StrangersRoom* room) {
  const auto found = reports_in_file(octets, file);
  if (!found) return found.error();
  const OnDisk on_disk(store);
  if (!on_disk.begun()) return on_disk.begun().error();
  Taking taking(store, file, notes, now, room);
  std::vector<TakenPiece> pieces;
  for (const FoundReport& each : *found) {
    auto piece = taking.one(each);
    if (!piece) return piece.error();
    pieces.push_back(std::move(*piece));
  }
  return pieces;
}

}  // namespace sealpost::tlsrpt
