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

// "example.net", "*.example.net", "*"; as route.domain.
void read_pattern(TableReader& reader, std::string_view key, By by, delivery::TrafficLimit& limit) {
  const auto text = reader.string(key);
  if (!text) return;
  const bool pattern = text->starts_with("*.");
  const std::string_view bare = pattern ? std::string_view(*text).substr(2) : std::string_view(*text);
  limit.by = by;
  if (*text == "*")
    limit.of = *text;
  else if (const auto name = to_a_labels(bare))
    limit.of = (pattern ? "*." : "") + *name;
  else if (is_lenient_domain_name(bare))
    limit.of = text::lower(*text);
  else
    reader.error(
        key, "'" + *text +
                 "' is not a name; write it as \"example.net\", \"*.example.net\" for what lies below it, "
                 "or \"*\" for all");
}

void read_site(TableReader& reader, delivery::TrafficLimit& limit) {
  const auto hosts = reader.strings("site");
  if (!hosts) return;
  limit.by = By::site;
  std::vector<std::string> names;
  for (const std::string& host : *hosts) {
    if (const auto name = to_a_labels(host))
      names.push_back(*name);
    else
      reader.error("site", "'" + host + "' is not a host; name the MX hosts of the site, all of them");
  }
  if (hosts->empty()) reader.error("site", "needs the names of the site's MX hosts, all of them");
  limit.of = delivery::site_name(std::move(names));
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
  read_pattern(reader, "domain", By::domain, limit);
  read_pattern(reader, "mx", By::mx, limit);
  read_site(reader, limit);
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
  const bool known = std::any_of(limits.begin(), limits.end(), [&](const auto& other) {
    return named == 1 && !limit.of.empty() && other.by == limit.by && other.of == limit.of;
  });
  if (known)
    reader.error(limit.by == By::domain ? "domain"
                 : limit.by == By::mx   ? "mx"
                                        : "site",
                 "'" + limit.of + "' has a limit already; put all keys into one");
  limits.push_back(std::move(limit));
}

}  // namespace sealpost::app
