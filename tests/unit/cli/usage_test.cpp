// SPDX-License-Identifier: Apache-2.0
#include "cli/usage.hpp"

#include <doctest.h>

using namespace sealpost::cli;

TEST_CASE("a word that is not known is named, with the one that was probably meant") {
  CLI::App app("test", "sealpost");
  std::string config, domain;
  app.add_option("-c,--config", config);
  app.fallthrough();
  CLI::App* queue = app.add_subcommand("queue");
  queue->add_subcommand("list")->add_option("--domain", domain);
  queue->add_subcommand("release")->add_option("ID", domain);
  app.add_subcommand("status");
  struct Row {
    std::vector<std::string> words;
    std::string expected;
  };
  const std::vector<Row> rows = {
      {{"quue", "list"}, "'sealpost' knows no command 'quue'; did you mean 'queue'?"},
      {{"stauts"}, "'sealpost' knows no command 'stauts'; did you mean 'status'?"},
      {{"xyzzy"}, "'sealpost' knows no command 'xyzzy'; there are queue, status"},
      {{"queue", "lst"}, "'sealpost queue' knows no command 'lst'; did you mean 'list'?"},
      {{"queue"}, "'sealpost queue' wants a command: list, release"},
      {{}, "'sealpost' wants a command: queue, status"},
      {{"-c", "quue", "queue", "lits"}, "'sealpost queue' knows no command 'lits'; did you mean 'list'?"},
      {{"--config=x", "queue"}, "'sealpost queue' wants a command: list, release"},
      {{"queue", "list", "--domian", "x"},
       "'sealpost queue list' knows no option --domian; did you mean '--domain'?"},
      {{"queue", "list", "--cnfig", "x"},
       "'sealpost queue list' knows no option --cnfig; did you mean '--config'?"},
      {{"queue", "release", "quue"}, ""},
      {{"status"}, ""},
  };
  for (const Row& row : rows) CHECK(unknown_word(app, row.words) == row.expected);
}
