// SPDX-License-Identifier: Apache-2.0
//
// [dkim]: keys for our own reports and, when asked, for relayed mail.
#include <set>
#include <utility>

#include "config/checks.hpp"
#include "config/sections.hpp"

namespace sealpost::app {

void read_dkim(TableReader& reader, Config& config) {
  DkimConfig dkim;
  for (const std::string_view key : {"domain", "selector", "key"}) reader.required(key);
  if (const auto value = read_domain(reader, "domain")) dkim.domain = *value;
  if (const auto value = read_domain(reader, "selector")) dkim.selector = *value;
  dkim.key = read_file_path(reader, "key", Secret::yes);
  if (const auto value = reader.boolean("sign_relayed")) dkim.sign_relayed = *value;
  std::set<std::pair<std::string, std::string>> names{{dkim.domain, dkim.selector}};
  reader.each_table("also", [&](TableReader& also) {
    DkimKeyConfig more;
    more.domain = dkim.domain;
    for (const std::string_view key : {"selector", "key"}) also.required(key);
    if (const auto value = read_domain(also, "domain")) more.domain = *value;
    if (const auto value = read_domain(also, "selector")) more.selector = *value;
    more.key = read_file_path(also, "key", Secret::yes);
    // One name holds one key record: two keys under it cannot both verify (RFC 6376 §3.6.2.2).
    if (!more.selector.empty() && !names.emplace(more.domain, more.selector).second)
      also.error("selector", "'" + more.selector + "' is used twice for " + more.domain +
                                 "; each key has a selector of its own");
    dkim.also.push_back(std::move(more));
  });
  config.dkim = std::move(dkim);
}

}  // namespace sealpost::app
