// SPDX-License-Identifier: Apache-2.0
#include "delivery/smart_host.hpp"

#include <algorithm>
#include <utility>

namespace sealpost::delivery {
namespace {

using namespace std::chrono_literals;
constexpr auto first_wait = 1min;
constexpr unsigned most_doublings = 6;  // about an hour

}  // namespace

// RFC 2782: by preference, and among equals by lot, weighted.
MxSet SmartHost::choose(const RandomSource& random) const {
  MxSet set;
  set.dnssec = dns::Dnssec::secure;  // no record chose them
  set.implicit = true;
  std::vector<SmartHostChoice> left = hosts;
  std::stable_sort(left.begin(), left.end(),
                   [](const auto& a, const auto& b) { return a.preference < b.preference; });
  while (!left.empty()) {
    const std::uint16_t preference = left.front().preference;
    std::uint64_t all = 0;
    for (const auto& host : left)
      if (host.preference == preference) all += host.weight;
    std::uint64_t lot = all == 0 ? 0 : random() % all;
    auto chosen = left.begin();
    while (chosen->weight <= lot && std::next(chosen) != left.end() &&
           std::next(chosen)->preference == preference) {
      lot -= chosen->weight;
      ++chosen;
    }
    MxHost host;
    host.name = chosen->name;
    host.preference = preference;
    set.hosts.push_back(std::move(host));
    left.erase(chosen);
  }
  set.expanded = set.hosts.empty() ? std::string() : set.hosts.front().name;
  return set;
}

std::optional<PartnerRule> SmartHost::rule(PartnerRule::Names names) const {
  if (level == PartnerLevel::opportunistic) return std::nullopt;
  PartnerRule rule;
  rule.name = "route " + name;
  rule.level = level;
  rule.names = names;
  rule.on_failure = PartnerRule::OnFailure::defer;
  rule.file = file;
  rule.line = line;
  rule.hash = "route:" + name + ":" + std::string(name_of(level)) +
              (names == PartnerRule::Names::domain ? ":domain" : "");
  return rule;
}

std::string SmartHost::waits(SteadyTime now) const {
  const std::lock_guard lock(mutex_);
  return now < until_ ? why_ : std::string();
}

void SmartHost::refused(const std::string& why, SteadyTime now) const {
  const std::lock_guard lock(mutex_);
  if (now < until_) return;  // begun before the last one was refused
  why_ = why;
  known_ = false;
  until_ = now + first_wait * (1U << std::min(refusals_, most_doublings));
  ++refusals_;
}

void SmartHost::accepted() const {
  const std::lock_guard lock(mutex_);
  refusals_ = 0;
  until_ = SteadyTime::min();
  known_ = true;
}

std::optional<SmartHost::Turn> SmartHost::turn() const {
  const std::lock_guard lock(mutex_);
  if (!known_ && turns_ > 0) return std::nullopt;
  ++turns_;
  return std::optional<Turn>(std::in_place, *this);
}

SmartHost::Turn::~Turn() {
  if (smart_host_ == nullptr) return;
  const std::lock_guard lock(smart_host_->mutex_);
  --smart_host_->turns_;
}

}  // namespace sealpost::delivery
