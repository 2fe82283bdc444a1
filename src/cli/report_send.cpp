// SPDX-License-Identifier: Apache-2.0
#include "cli/report_send.hpp"

#include <sysexits.h>

#include <chrono>
#include <iostream>
#include <map>
#include <thread>

#include "cli/control_client.hpp"
#include "cli/report_print.hpp"
#include "cli/screen.hpp"

namespace sealpost::cli {
namespace {

using namespace std::chrono_literals;
constexpr auto shortest_pause = 100ms, longest_pause = 2000ms;

void print_progress(const Json& answer) {
  const auto domains = answer.value("domains", std::size_t(0));
  std::map<std::string, std::size_t> states;
  for (const Json& job : answer.at("reports")) ++states[job.value("state", "")];
  std::cout << "Reports of " << answer.value("day", "") << ": " << domains
            << (domains == 1 ? " domain" : " domains") << " with sessions, " << answer.at("reports").size()
            << " planned so far";
  for (const auto& [state, count] : states) std::cout << ", " << count << " " << state;
  std::cout << ".\n";
  if (answer.value("under_way", false))
    std::cout << "Sending goes on in the relay; 'report send --wait' shows its end, 'report why\n"
                 "DOMAIN' what became of one.\n";
}

}  // namespace

int send_reports(const CommandLine& line, const Json& arguments, bool wait) {
  if (!wait) return ask_and_show(line, "report.send", arguments, print_progress);
  Json look = arguments;
  look["look"] = true;
  auto answer = ask_relay(line.socket_path(), "report.send", arguments);
  std::chrono::milliseconds pause = shortest_pause;
  while (answer && answer->value("under_way", false)) {
    std::this_thread::sleep_for(pause);
    pause = std::min<std::chrono::milliseconds>(pause * 2, longest_pause);
    answer = ask_relay(line.socket_path(), "report.send", look);
  }
  if (!answer) return line.fail(answer.error());
  if (line.json) {
    line.print(*answer);
  } else {
    const Screen screen;
    print_jobs(*answer);
    print_progress(*answer);
  }
  return EX_OK;
}

}  // namespace sealpost::cli
