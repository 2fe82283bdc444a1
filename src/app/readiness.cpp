// SPDX-License-Identifier: Apache-2.0
#include "app/readiness.hpp"

#include <algorithm>
#include <array>

namespace sealpost::app {
namespace {

struct Known {
  std::string_view cause;  // how the words begin that Health::raise() is told
  std::string_view code;
};
// The longer of two that begin alike comes first.
constexpr std::array known{
    Known{"DNSSEC", "dnssec"},
    Known{"MTA-STS policies", "mta_sts_policies"},
    Known{"TLS reports by mail", "reports_unsigned"},
    Known{"accounts", "accounts"},
    Known{"clock record", "clock_record"},
    Known{"clock", "clock"},
    Known{"control socket", "control_socket"},
    Known{"damaged ", "database_damaged"},
    Known{"database ", "database"},
    Known{"file sts-policies.log", "policies_copy"},
    Known{"held mail", "held_mail"},
    Known{"journal damage", "journal_damage"},
    Known{"journal corrupt/", "journal_damage"},
    Known{"journal mark", "journal_mark"},
    Known{"journal segments", "journal_segments"},
    Known{"journal file", "journal_file"},
    Known{"journal", "journal"},
    Known{"listener certificate", "listener_certificate"},
    Known{"listener ", "listener"},
    Known{"listening on ", "listener"},
    Known{"record of rules in force", "rules_record"},
    Known{"rules in force not kept", "rules_record"},
    Known{"spool missing", "spool_missing"},
    Known{"thread ", "thread"},
    Known{"weaker rules", "weaker_rules"},
    Known{"webhook ", "webhook"},
};
constexpr std::string_view other = "other";

}  // namespace

std::vector<std::string> why_not_alive(const Standing& standing) {
  std::vector<std::string> why;
  for (const std::string& name : standing.silent)
    why.push_back("thread " + name + " does not answer: what it carries stands still");
  return why;
}

std::vector<std::string> why_not_ready(const Standing& standing) {
  std::vector<std::string> why = why_not_alive(standing);
  if (standing.stopping)
    why.push_back("stopping: no new mail is taken");
  else if (!standing.taking_mail)
    why.push_back("starting: nobody listens yet");
  if (!standing.journal.empty()) why.push_back("journal: " + standing.journal);
  for (const Endpoint& listener : standing.listeners) {
    const std::string address = listener.to_string();
    for (const Health::Trouble& trouble : standing.troubles)
      if (trouble.cause == "listener " + address || trouble.cause == "listening on " + address)
        why.push_back(trouble.cause + ": " + trouble.what);
  }
  return why;
}

std::string_view trouble_code(std::string_view cause) noexcept {
  const auto found = std::find_if(known.begin(), known.end(),
                                  [cause](const Known& one) { return cause.starts_with(one.cause); });
  return found == known.end() ? other : found->code;
}

const std::vector<std::string_view>& trouble_codes() noexcept {
  static const std::vector<std::string_view> codes = [] {
    std::vector<std::string_view> all{other};
    for (const Known& one : known)
      if (std::find(all.begin(), all.end(), one.code) == all.end()) all.push_back(one.code);
    std::sort(all.begin(), all.end());
    return all;
  }();
  return codes;
}

}  // namespace sealpost::app
