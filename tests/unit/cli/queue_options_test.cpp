// SPDX-License-Identifier: Apache-2.0
#include "cli/queue_options.hpp"

#include <doctest.h>

using namespace sealpost::cli;

namespace {

// The options as a command gets them; null: the command line is refused.
std::shared_ptr<QueueOptions> parsed(std::vector<std::string> words) {
  CLI::App app;
  const auto options = std::make_shared<QueueOptions>();
  add_filter_options(app, options);
  app.add_flag("--all", options->all);
  app.add_flag("-y,--yes", options->yes);
  std::reverse(words.begin(), words.end());
  try {
    app.parse(words);
  } catch (const CLI::Error&) {
    return nullptr;
  }
  return options;
}

}  // namespace

TEST_CASE("an option whose value is empty is refused: it would mean all mail") {
  for (const char* option : {"--id", "--sender", "--recipient", "--domain", "--next-hop", "--reason",
                             "--policy", "--state", "--older"}) {
    CAPTURE(option);
    CHECK_FALSE(parsed({"--all", option, "", "--yes"}));
    CHECK_FALSE(parsed({"--all", std::string(option) + "=", "--yes"}));
    CHECK_FALSE(parsed({"--all", option}));
    CHECK(parsed({"--all", option, option == std::string("--state") ? "held" : "x", "--yes"}));
  }
  CHECK_FALSE(parsed({""}));
}

TEST_CASE("what is said is what is asked for") {
  const auto options = parsed({"A", "B", "--id", "C", "--id", "D", "--next-hop", "gw", "--older", "2h"});
  REQUIRE(options);
  const Json arguments = options->arguments();
  CHECK(arguments.at("filter") == Json{{"id", {"A", "B", "C", "D"}}, {"next_hop", "gw"}, {"older", "2h"}});
  CHECK_FALSE(arguments.contains("all"));
  CHECK(parsed({})->arguments().at("filter").empty());
}
