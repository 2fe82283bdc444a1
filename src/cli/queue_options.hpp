// SPDX-License-Identifier: Apache-2.0
//
// Which mail is meant: the same options for every `queue` verb, and the question before many messages are changed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/command_line.hpp"

namespace sealpost::cli {

struct QueueOptions {
  std::vector<std::string> ids, more_ids;  // as words, and behind --id
  std::string sender, recipient, domain, next_hop, reason, policy, state, older;
  bool all = false, yes = false;
  std::string note, by = "domain";
  std::optional<std::string> to;  // of reroute; empty: as configured
  std::size_t limit = 1000;
  bool raw = false, headers = false;

  std::vector<std::string> all_ids() const;
  // {"filter": ..., "all": ...}
  Json arguments() const;
};

// --id, --sender and so on, and the queue ids as words.
void add_filter_options(CLI::App& sub, const std::shared_ptr<QueueOptions>& options);

// Of reroute: --to, or --as-configured.
void add_where_to(CLI::App& sub, const std::shared_ptr<QueueOptions>& options);

// Says first of how much mail it would be, when that is not named by its ids alone, and goes on with --yes or when whoever
// sits there says so, with that mail and no other. `past` is "held" or "removed"; `verb` of the command. The exit code.
int work_on_queue(const CommandLine& line, const QueueOptions& options, const std::string& verb,
                  const std::string& past);

}  // namespace sealpost::cli
