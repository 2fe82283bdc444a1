// SPDX-License-Identifier: Apache-2.0
#include "delivery/traffic.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <tuple>
#include <utility>

#include "base/text.hpp"
#include "sealpost/partner.hpp"

namespace sealpost::delivery {
namespace {

using namespace std::chrono_literals;
constexpr Duration at_once = 100ms;

constexpr std::array<std::pair<std::string_view, std::chrono::seconds>, 4> units{
    {{"s", 1s}, {"min", 1min}, {"h", 1h}, {"d", 24h}}};

bool matches(std::string_view pattern, std::string_view name) {
  return pattern == "*" || covers(pattern, name);
}

// Larger is more specific.
std::tuple<int, int, std::size_t> rank(const TrafficLimit& limit) {
  const bool all = limit.of == "*";
  const int by = all ? -1 : -static_cast<int>(limit.by);
  return {by - (all ? static_cast<int>(limit.by) + 10 : 0), limit.of.starts_with("*") ? 0 : 1,
          limit.of.size()};
}

bool is_for(const TrafficLimit& limit, std::string_view domain, const std::vector<std::string>& hosts,
            const std::string& site) {
  switch (limit.by) {
    case TrafficLimit::By::domain: return matches(limit.of, domain);
    case TrafficLimit::By::site: return limit.of == site;
    case TrafficLimit::By::mx:
      return std::any_of(hosts.begin(), hosts.end(),
                         [&](const std::string& host) { return matches(limit.of, host); });
  }
  return false;
}

// The hosts in a site's name, which may end with a port.
std::vector<std::string> hosts_in(const std::string& site) {
  std::vector<std::string> hosts;
  for (const std::string_view host : text::split(site, ' '))
    if (!host.empty() && !host.starts_with(':')) hosts.emplace_back(host);
  return hosts;
}

template <class T>
void take_bound(std::optional<Traffic::Bound<T>>& into, const std::optional<T>& value,
                const TrafficLimit& limit) {
  if (into || !value) return;
  into.emplace();
  into->value = *value;
  into->by = limit.name();
}

}  // namespace

std::optional<Rate> Rate::parse(std::string_view text) {
  Rate rate;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), rate.messages);
  if (failed != std::errc() || rate.messages == 0) return std::nullopt;
  std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
  if (!rest.starts_with('/')) return std::nullopt;
  rest.remove_prefix(1);
  const auto unit =
      std::find_if(units.begin(), units.end(), [&](const auto& one) { return one.first == rest; });
  if (unit == units.end()) return std::nullopt;
  rate.per = unit->second;
  return rate;
}

std::string Rate::to_string() const {
  const auto unit =
      std::find_if(units.begin(), units.end(), [&](const auto& one) { return one.second == per; });
  return std::to_string(messages) + "/" +
         (unit != units.end() ? std::string(unit->first) : std::to_string(per.count()) + "s");
}

std::string TrafficLimit::name() const {
  constexpr std::array<std::string_view, 3> names{"domain", "site", "mx"};
  return "limit " + std::string(names[static_cast<std::size_t>(by)]) + " = \"" + of + "\"";
}

std::string site_name(std::vector<std::string> hosts) {
  std::sort(hosts.begin(), hosts.end());
  hosts.erase(std::unique(hosts.begin(), hosts.end()), hosts.end());
  std::string name;
  for (const std::string& host : hosts) name += (name.empty() ? "" : " ") + host;
  return name;
}

Traffic traffic_for(const std::vector<TrafficLimit>& limits, std::string_view domain,
                    const std::vector<std::string>& hosts) {
  Traffic traffic;
  if (limits.empty()) return traffic;
  const std::string site = site_name(hosts);
  std::vector<const TrafficLimit*> found;
  for (const TrafficLimit& limit : limits)
    if (is_for(limit, domain, hosts, site)) found.push_back(&limit);
  std::stable_sort(found.begin(), found.end(),
                   [](const TrafficLimit* a, const TrafficLimit* b) { return rank(*a) > rank(*b); });
  for (const TrafficLimit* limit : found) {
    const bool for_domain = limit->by == TrafficLimit::By::domain;
    take_bound(for_domain ? traffic.domain_connections : traffic.site_connections, limit->connections,
               *limit);
    take_bound(for_domain ? traffic.domain_rate : traffic.site_rate, limit->rate, *limit);
    take_bound(traffic.messages_per_connection, limit->messages_per_connection, *limit);
    take_bound(traffic.recipients_per_transaction, limit->recipients_per_transaction, *limit);
  }
  return traffic;
}

void limit_site(queue::Site& site, const Traffic& traffic) {
  const auto& all = traffic.site_connections;
  all ? site.set_most(all->value, all->by) : site.set_most();
}

void limit_sites(const queue::Sites& sites, const std::vector<TrafficLimit>& limits) {
  for (const queue::SitePtr& site : sites.all())
    if (!site->fixed()) limit_site(*site, traffic_for(limits, std::string_view(), hosts_in(site->name())));
}

SteadyTime RateKeeper::book(const std::string& whose, const Rate& rate, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  if (next_.size() >= most_remembered) make_room(now);
  SteadyTime& next = next_.try_emplace(whose, now).first->second;
  const SteadyTime turn = std::max(next - at_once, now);
  next = std::max(next, now) + std::chrono::duration_cast<Duration>(rate.per) / rate.messages;
  return turn;
}

void RateKeeper::make_room(SteadyTime now) {
  std::erase_if(next_, [now](const auto& entry) { return entry.second <= now; });
  if (next_.size() <= most_remembered / 2) return;
  std::vector<SteadyTime> turns;
  turns.reserve(next_.size());
  for (const auto& [whose, next] : next_) turns.push_back(next);
  const auto half = turns.begin() + static_cast<std::ptrdiff_t>(turns.size() / 2);
  std::nth_element(turns.begin(), half, turns.end());
  std::erase_if(next_, [until = *half](const auto& entry) { return entry.second <= until; });
}

std::size_t RateKeeper::size() const {
  const std::lock_guard lock(mutex_);
  return next_.size();
}

}  // namespace sealpost::delivery
