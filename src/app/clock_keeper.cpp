// SPDX-License-Identifier: Apache-2.0
#include "app/clock_keeper.hpp"

#include "app/clock_record.hpp"
#include "base/log.hpp"
#include "base/version.hpp"
#include "event/wait.hpp"

namespace sealpost::app {
namespace {

using namespace std::chrono_literals;
using Doubt = BelievedClock::Doubt;

constexpr auto clock_every = 5s;
constexpr int looks_per_record = 12;
constexpr const char* clock_cause = "clock";
constexpr const char* record_cause = "clock record";

std::string length_of(std::chrono::microseconds off) {
  return to_duration_text(std::chrono::duration_cast<std::chrono::seconds>(off < 0us ? -off : off));
}

std::string in_words(const SharedClock::State& state, SystemTime wall) {
  const bool ahead = state.doubt == Doubt::ahead;
  return "the system's clock says " + to_rfc3339(wall) + ", which is " + length_of(state.off) +
         (ahead ? " ahead of" : " behind") + " what has passed as far as the relay knows (" +
         to_rfc3339(state.believed.now) +
         "); until that is settled the stronger of both readings holds: rules in force under either are in "
         "force, "
         "exceptions count only under both, nothing expires, nothing old is deleted, no reports are sent";
}

constexpr const char* what_to_do =
    "set the clock right (look at NTP); if it is right and the relay is not, say so: sealpost clock believe";

}  // namespace

ClockKeeper::ClockKeeper(event::Loop& loop, std::string data_dir, Health& health)
    : loop_(loop), data_dir_(std::move(data_dir)), health_(health) {
  const ClockRecord record = read_clock_record(data_dir_, loop.wall());
  if (!record.trouble.empty())
    log::error("clock_record_unreadable",
               {{"why", record.trouble},
                {"instead", record.time ? "the relay's files were last written " + to_rfc3339(*record.time)
                                        : "nothing: the system's clock is believed"}});
  clock_ = std::make_unique<SharedClock>(built(), record.time, loop.wall(), loop.steady());
  loop_.ask_clock(clock_.get());
  look();  // not recorded before the journal's lock is held: data_dir may be another relay's
}

void ClockKeeper::look() {
  const SystemTime wall = loop_.wall();
  const SharedClock::State state = clock_->look(wall, loop_.steady());
  if (state.doubt != Doubt::none) {
    if (state.doubt != told_)
      log::error("clock_doubted", {{"clock", to_rfc3339(wall)},
                                   {"believed", to_rfc3339(state.believed.now)},
                                   {"why", in_words(state, wall)},
                                   {"do", what_to_do}});
    // The words name hours, not the moment: a trouble whose words change is logged anew.
    if (state.doubt != told_) health_.raise(clock_cause, in_words(state, wall), what_to_do);
  } else if (told_ != Doubt::none) {
    log::warning("clock_believed",
                 {{"clock", to_rfc3339(wall)}, {"believed", to_rfc3339(state.believed.now)}});
    health_.clear(clock_cause);
  } else if (state.steps != steps_told_) {
    log::warning("clock_stepped", {{"clock", to_rfc3339(wall)},
                                   {"what", "the clock was wrong for a moment and is right again"}});
  }
  told_ = state.doubt;
  steps_told_ = state.steps;
}

void ClockKeeper::tell(const Expected<void>& recorded) {
  if (recorded) return health_.clear(record_cause);
  health_.raise(record_cause, "the time cannot be recorded: " + recorded.error().detail,
                "free space or repair data_dir; a start after this would not notice a clock that went back");
}

void ClockKeeper::record_now() { tell(write_clock_record(data_dir_, clock_->to_record())); }

event::Task<void> ClockKeeper::run(event::BlockingPool& pool) {
  record_now();
  for (int looks = 1;; ++looks) {
    co_await event::sleep_for(loop_, clock_every);
    look();
    if (looks % looks_per_record != 0) continue;
    const std::function<Expected<void>()> work = [directory = data_dir_, now = clock_->to_record()] {
      return write_clock_record(directory, now);
    };
    const auto recorded = co_await event::run_blocking<void>(pool, loop_, work);
    tell(recorded);
  }
}

admin::Json ClockKeeper::status() {
  const SystemTime wall = loop_.wall();
  const SharedClock::State state = clock_->look(wall, loop_.steady());
  admin::Json body;
  body["state"] = state.doubt == Doubt::none    ? "believed"
                  : state.doubt == Doubt::ahead ? "in doubt: ahead"
                                                : "in doubt: behind";
  body["system"] = to_rfc3339(wall);
  body["believed"] = to_rfc3339(state.believed.now);
  body["steps"] = state.steps;
  if (state.doubt != Doubt::none) {
    body["off"] = (state.doubt == Doubt::ahead ? "+" : "-") + length_of(state.off);
    body["even_for"] = to_duration_text(std::chrono::duration_cast<std::chrono::seconds>(state.even));
    body["remedy"] = what_to_do;
  }
  return body;
}

event::Task<admin::Answer> ClockKeeper::show() { co_return admin::Answer(status()); }

// What was recorded is lowered with it, if that is what it takes: the operator says so.
event::Task<admin::Answer> ClockKeeper::believe(admin::Json) {
  const SystemTime wall = loop_.wall();
  if (wall < built())
    co_return admin::Answer(409,
                            "the system's clock says " + to_rfc3339(wall) +
                                ", which is before this program was made: it cannot be right",
                            "set the clock first");
  clock_->believe(wall, loop_.steady());
  log::warning("clock_believed", {{"clock", to_rfc3339(wall)}, {"why", "an operator says that it is right"}});
  look();
  record_now();
  co_return admin::Answer(status());
}

void ClockKeeper::serve(admin::ControlServer& server) {
  server.handle("clock.show", [this](admin::Json) { return show(); });
  server.handle("clock.believe", [this](admin::Json arguments) { return believe(std::move(arguments)); });
}

}  // namespace sealpost::app
