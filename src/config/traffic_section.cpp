// SPDX-License-Identifier: Apache-2.0
//
// [[limit]]: what an operator allows towards a destination.
#include <algorithm>

#include "base/text.hpp"
#include "config/checks.hpp"
#include "config/sections.hpp"
#include "mail/address.hpp"

namespace sealpost::app {
namespace {

using By = delivery::TrafficLimit::By;

// As TrafficLimit::of has it; nothing: it is no such name. "example.net", "*.example.net", "*"; as route.domain.
std::optional<std::string> pattern_of(const std::string& text) {
  if (text == "*") return text;
  const bool below = text.starts_with("*.");
  const std::string_view bare = below ? std::string_view(text).substr(2) : std::string_view(text);
  if (const auto name = to_a_labels(bare)) return (below ? "*." : "") + *name;
  if (is_lenient_domain_name(bare)) return text::lower(text);
  return std::nullopt;
}

// One name, or an array of them.
std::vector<std::string> read_patterns(TableReader& reader, std::string_view key) {
  std::vector<std::string> patterns;
  const auto texts = reader.one_or_more(key);
  if (!texts) return patterns;
  if (texts->empty()) reader.error(key, "is empty; name whom the limit is for, or remove it");
  for (const std::string& text : *texts) {
    if (auto pattern = pattern_of(text))
      patterns.push_back(std::move(*pattern));
    else
      reader.error(
          key, "'" + text +
                   "' is not a name; write it as \"example.net\", \"*.example.net\" for what lies below it, "
                   "or \"*\" for all");
  }
  return patterns;
}

std::vector<std::string> read_site(TableReader& reader) {
  const auto hosts = reader.strings("site");
  if (!hosts) return {};
  std::vector<std::string> names;
  for (const std::string& host : *hosts) {
    if (const auto name = to_a_labels(host))
      names.push_back(*name);
    else
      reader.error("site", "'" + host + "' is not a host; name the MX hosts of the site, all of them");
  }
  if (hosts->empty()) reader.error("site", "needs the names of the site's MX hosts, all of them");
  return {delivery::site_name(std::move(names))};
}

void read_count(TableReader& reader, std::string_view key, std::int64_t most,
                std::optional<std::uint32_t>& into) {
  if (const auto value = reader.integer(key, 1, most)) into = static_cast<std::uint32_t>(*value);
}

}  // namespace

void read_traffic_limit(TableReader& reader, std::vector<delivery::TrafficLimit>& limits) {
  delivery::TrafficLimit limit;
  const int named =
      (reader.has("domain") ? 1 : 0) + (reader.has("mx") ? 1 : 0) + (reader.has("site") ? 1 : 0);
  const std::vector<std::string> domains = read_patterns(reader, "domain");
  const std::vector<std::string> hosts = read_patterns(reader, "mx");
  const std::vector<std::string> site = read_site(reader);
  if (named != 1)
    reader.error("domain", named == 0
                               ? "is missing: say whom the limit is for, by domain, mx or site"
                               : "stands beside another of domain, mx and site; write a [[limit]] for each");
  read_count(reader, "connections", 10'000, limit.connections);
  read_count(reader, "messages_per_connection", 1'000'000, limit.messages_per_connection);
  read_count(reader, "recipients_per_transaction", 1000, limit.recipients_per_transaction);
  if (const auto text = reader.string("rate")) {
    limit.rate = delivery::Rate::parse(*text);
    if (!limit.rate)
      reader.error(
          "rate",
          "'" + *text + "' is not a rate; write messages per time, as \"100/min\", with s, min, h or d");
  }
  const bool says_nothing = !reader.has("connections") && !reader.has("messages_per_connection") &&
                            !reader.has("recipients_per_transaction") && !reader.has("rate");
  if (named == 1 && says_nothing)
    reader.error(
        "connections",
        "is missing: a limit sets connections, messages_per_connection, rate or recipients_per_transaction");
  if (named != 1) return;
  // Of each name for itself.
  const auto add = [&](By by, std::string_view key, const std::vector<std::string>& names) {
    limit.by = by;
    for (const std::string& name : names) {
      limit.of = name;
      const bool known = std::any_of(limits.begin(), limits.end(),
                                     [&](const auto& other) { return other.by == by && other.of == name; });
      if (known && !name.empty())
        reader.error(key, "'" + name + "' has a limit already; put all keys into one");
      limits.push_back(limit);
    }
  };
  add(By::domain, "domain", domains);
  add(By::mx, "mx", hosts);
  add(By::site, "site", site);
}

}  // namespace sealpost::app
