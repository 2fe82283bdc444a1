// SPDX-License-Identifier: Apache-2.0
#include "auth/brakes.hpp"

#include <algorithm>

#include "base/digest.hpp"

namespace sealpost::auth {
namespace {

constexpr std::size_t v6_network_octets = 8;  // what one customer has, at least
constexpr std::uint32_t most_proven_names = 1000;

std::string network_of(const IpAddress& client) {
  const auto octets = client.bytes();
  const std::size_t count = client.is_v4() ? octets.size() : v6_network_octets;
  return {octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(count)};
}

// Names come from strangers and may be long: a digest is as good a key.
std::string digest_key(const std::string& text) {
  const Sha256 digest = sha256(text);
  return {digest.begin(), digest.begin() + 16};
}

// `first` doubled so many times, no longer than `longest`.
Duration doubled(Duration first, std::uint32_t times, Duration longest) noexcept {
  for (; times > 0 && first < longest; --times) first *= 2;
  return std::min(first, longest);
}

void less_one(std::uint32_t& number) noexcept { number -= number > 0 ? 1U : 0U; }

}  // namespace

Brakes::Brakes(BrakeSettings settings)
    : settings_(settings), pairs_(settings.most), networks_(settings.most), names_(settings.most) {}

bool Brakes::proven(const Count& pair, SteadyTime now) const noexcept {
  return pair.proven_at != SteadyTime() && now - pair.proven_at < settings_.trust;
}

Brakes::Count* Brakes::Counts::find(const std::string& key) noexcept {
  Count* const known = proven_.find(key);
  return known != nullptr ? known : strangers_.find(key);
}

Brakes::Count& Brakes::Counts::at(const std::string& key) {
  return proven_.find(key) != nullptr ? proven_.at(key) : strangers_.at(key);
}

Brakes::Count& Brakes::Counts::prove(const std::string& key) {
  if (proven_.find(key) == nullptr) {
    const Count before = strangers_.at(key);
    strangers_.erase(key);
    proven_.at(key) = before;
  }
  return proven_.at(key);
}

Brakes::Count& Brakes::fresh(Counts& table, const std::string& key, SteadyTime now) const {
  Count& count = table.at(key);
  if (count.failures > 0 && now - count.last_failure >= settings_.forget) count.failures = 0;
  return count;
}

Duration Brakes::refusal(std::uint32_t failures, std::uint32_t free) const noexcept {
  return doubled(settings_.first_refusal, failures - free, settings_.longest_refusal);
}

void Brakes::count_failure(Count& count, std::uint32_t free, SteadyTime now) const noexcept {
  ++count.failures;
  count.last_failure = now;
  if (count.failures >= free) count.blocked_until = now + refusal(count.failures, free);
}

bool Brakes::stops(const IpAddress& client, const std::string& name, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  const std::string network = network_of(client);
  const Count* pair = pairs_.find(network + digest_key(name));
  bool stopped = pair != nullptr && pair->blocked_until > now;
  if (pair == nullptr || !proven(*pair, now)) {
    const Count* all = networks_.find(network);
    stopped = stopped || (all != nullptr && all->blocked_until > now);
  }
  stopped_ += stopped ? 1U : 0U;
  return stopped;
}

Brakes::Answer Brakes::enter(const IpAddress& client, const std::string& name, SteadyTime now) {
  if (stops(client, name, now)) return {Word::stop};
  const std::lock_guard lock(mutex_);
  const std::string network = network_of(client), key = digest_key(name);
  const Count* const pair = pairs_.find(network + key);
  const Count* const all = networks_.find(network);
  const bool known = pair != nullptr && proven(*pair, now);
  // What is under way has not failed yet: a thousand at once would all be the first. Who waits takes no entry.
  if (!known && ((pair != nullptr && pair->under_way >= settings_.most_under_way) ||
                 (all != nullptr && all->under_way >= settings_.most_under_way_of_network)))
    return {Word::wait};
  ++fresh(pairs_, network + key, now).under_way;
  ++fresh(networks_, network, now).under_way;
  Answer answer;
  answer.known = known;
  const std::uint32_t tried = names_.find(key) != nullptr ? fresh(names_, key, now).failures : 0;
  if (!known && tried >= settings_.free_of_name)
    answer.pause =
        doubled(std::chrono::milliseconds(250), tried - settings_.free_of_name, settings_.longest_pause);
  return answer;
}

Duration Brakes::leave(const IpAddress& client, const std::string& name, Ending ending, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  const std::string network = network_of(client), key = digest_key(name);
  Count& pair = fresh(pairs_, network + key, now);
  Count& all = fresh(networks_, network, now);
  less_one(pair.under_way);
  less_one(all.under_way);
  switch (ending) {
    case Ending::unknown: return {};
    case Ending::right:
      if (!proven(pair, now)) all.proven_names = std::min(all.proven_names + 1, most_proven_names);
      pair.proven_at = now;
      pair.failures = 0;
      pairs_.prove(network + key);
      networks_.prove(network);
      return {};
    case Ending::wrong: break;
  }
  ++failures_;
  count_failure(pair, settings_.free_of_pair, now);
  count_failure(all, settings_.free_of_network * (1 + all.proven_names), now);
  Count& everywhere = fresh(names_, key, now);
  ++everywhere.failures;
  everywhere.last_failure = now;
  // The first may be a slip of the finger.
  if (pair.failures < 2) return {};
  return doubled(std::chrono::milliseconds(500), pair.failures - 2, settings_.longest_pause);
}

Brakes::Counters Brakes::counters() const {
  const std::lock_guard lock(mutex_);
  Counters counters;
  counters.failures = failures_;
  counters.stopped = stopped_;
  counters.forgotten = pairs_.forgotten() + networks_.forgotten() + names_.forgotten();
  counters.entries = pairs_.size() + networks_.size() + names_.size();
  return counters;
}

Attempt::~Attempt() {
  if (under_way_) brakes_.leave(client_, name_, Brakes::Ending::wrong, entered_at_);
}

Brakes::Answer Attempt::enter(SteadyTime now) {
  const Brakes::Answer answer = brakes_.enter(client_, name_, now);
  under_way_ = answer.word == Brakes::Word::go;
  known_ = answer.known;
  entered_at_ = now;
  return answer;
}

Duration Attempt::leave(Brakes::Ending ending, SteadyTime now) {
  if (!under_way_) return {};
  under_way_ = false;
  return brakes_.leave(client_, name_, ending, now);
}

}  // namespace sealpost::auth
