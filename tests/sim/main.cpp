// SPDX-License-Identifier: Apache-2.0
//
// sim [--seeds FIRST-LAST] [--plant KIND] [--twice] [--first] [--log]
//
// Runs a simulated day per seed and compares the ledger. With --plant a fault is built in, and the run succeeds, and
// ends, on the first day that finds it; with --first it ends on the first day that finds anything, which is what to ask for
// when SEALPOST_PLANT (base/planted.hpp) builds a fault into the relay itself. With --twice each day is run twice and must
// be the same. Ends in "N passed, N failed, N skipped".
#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "base/log.hpp"
#include "day.hpp"

namespace {

using namespace sealpost::sim;

struct PlantName {
  const char* name;
  Plant plant;
};
constexpr PlantName plants[] = {{"lose-mail", Plant::lose_mail},
                                {"keep-refused", Plant::keep_refused},
                                {"forget-done", Plant::forget_done},
                                {"no-policy", Plant::no_policy},
                                {"no-partners", Plant::no_partners},
                                {"no-pause", Plant::no_pause},
                                {"no-canary", Plant::no_canary},
                                {"no-probation", Plant::no_probation},
                                {"believe-any-clock", Plant::believe_any_clock},
                                {"arrival-from-future", Plant::arrival_from_future},
                                {"exception-revives", Plant::exception_revives},
                                {"expire-by-jump", Plant::expire_by_jump},
                                {"wait-by-wall", Plant::wait_by_wall}};

struct Arguments {
  std::uint64_t first = 1, last = 100;
  Plant plant = Plant::nothing;
  bool log = false, twice = false, first_alone = false;
};

[[noreturn]] void usage() {
  std::fputs("usage: sim [--seeds FIRST-LAST] [--plant KIND] [--twice] [--first] [--log]\nkinds:", stderr);
  for (const auto& [name, plant] : plants) std::fprintf(stderr, " %s", name);
  std::fputs("\n", stderr);
  std::exit(2);
}

Arguments read(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    const std::string_view value = i + 1 < argc ? argv[i + 1] : "";
    if (option == "--log") {
      arguments.log = true;
    } else if (option == "--twice") {
      arguments.twice = true;
    } else if (option == "--first") {
      arguments.first_alone = true;
    } else if (option == "--seeds") {
      const auto dash = value.find('-');
      const std::string_view first = value.substr(0, dash);
      const std::string_view last = dash == value.npos ? first : value.substr(dash + 1);
      const bool good =
          std::from_chars(first.data(), first.data() + first.size(), arguments.first).ec == std::errc() &&
          std::from_chars(last.data(), last.data() + last.size(), arguments.last).ec == std::errc();
      if (!good || arguments.first > arguments.last) usage();
      ++i;
    } else if (option == "--plant") {
      for (const auto& [name, plant] : plants)
        if (value == name) arguments.plant = plant;
      if (arguments.plant == Plant::nothing) usage();
      ++i;
    } else {
      usage();
    }
  }
  return arguments;
}

void print(const Counts& counts) {
  std::printf("messages %lu to %lu recipients: %lu accepted, %lu refused, %lu unknown\n", counts.messages,
              counts.recipients, counts.accepted, counts.refused, counts.unknown);
  std::printf("recipients: %lu delivered (%lu once more), %lu bounced, %lu in the queue; %lu delay notices\n",
              counts.delivered, counts.duplicates, counts.bounced, counts.queued, counts.delay_notices);
  std::printf("%lu ends of the process, %lu recipients offered under an enforced policy\n", counts.crashes,
              counts.enforced_recipients);
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = read(argc, argv);
  // Nothing is logged, not even errors: trouble is the point here.
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (arguments.log)
    sealpost::log::configure(2, sealpost::log::Format::text, sealpost::log::Level::debug);
  else
    sealpost::log::configure(nowhere, sealpost::log::Format::text, sealpost::log::Level::error);

  unsigned long passed = 0, failed = 0;
  Counts sum;
  for (std::uint64_t seed = arguments.first; seed <= arguments.last; ++seed) {
    DayResult result = Day(seed, arguments.plant).run();
    if (arguments.twice && Day(seed, arguments.plant).run().counts != result.counts)
      result.problems.push_back("the same seed gave another day");
    sum.add(result.counts);
    ++(result.problems.empty() ? passed : failed);
    if (arguments.plant != Plant::nothing) {
      if (failed > 0) break;  // found; a day without trouble of the planted kind shows nothing
      continue;
    }
    for (const auto& problem : result.problems) std::printf("seed %lu: %s\n", seed, problem.c_str());
    std::fflush(stdout);
    if (failed > 0 && arguments.first_alone) break;
  }
  print(sum);
  if (arguments.plant != Plant::nothing) {
    if (failed > 0)
      std::printf("the planted fault was found after %lu days\n", passed + failed);
    else
      std::printf("the planted fault was not found in %lu days\n", passed);
    passed = failed > 0 ? 1 : 0;
    failed = 1 - passed;
  }
  std::printf("%lu passed, %lu failed, 0 skipped\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
