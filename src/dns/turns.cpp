// SPDX-License-Identifier: Apache-2.0
#include "dns/turns.hpp"

#include <algorithm>

#include "base/planted.hpp"

namespace sealpost::dns {

std::string owner_of(std::string_view name) {
  if (planted(Plant::one_dns_owner)) return {};
  const auto last = name.rfind('.');
  if (last == name.npos || last == 0) return std::string(name);
  auto before = name.rfind('.', last - 1);
  const bool country = name.size() - last - 1 == 2;
  const std::size_t second_octets = last - (before == name.npos ? 0 : before + 1);
  if (country && second_octets <= 3 && before != name.npos && before != 0)
    before = name.rfind('.', before - 1);
  return std::string(before == name.npos ? name : name.substr(before + 1));
}

Turns::Place::~Place() {
  if (turns_ != nullptr) turns_->give_back(owner_);
}

Turns::Wait Turns::place_for(std::string_view name) { return Wait(*this, owner_of(name)); }

bool Turns::take(const std::string& name) {
  const auto owner = owners_.try_emplace(name).first;
  if (in_use_ >= limits_.in_all || owner->second.in_use >= limits_.per_owner) return false;
  if (!owner->second.waiting.empty()) return false;  // nobody overtakes those who wait
  ++owner->second.in_use;
  ++in_use_;
  return true;
}

void Turns::list(Owners::value_type& owner) {
  Owner& who = owner.second;
  if (who.listed || who.waiting.empty() || who.in_use >= limits_.per_owner) return;
  who.listed = true;
  next_.push_back(&owner);
}

void Turns::give_back(const std::string& name) noexcept {
  const auto owner = owners_.find(name);
  --owner->second.in_use;
  --in_use_;
  list(*owner);
  grant();
  forget(owner);
}

void Turns::grant() {
  while (in_use_ < limits_.in_all && !next_.empty()) {
    Owners::value_type& owner = *next_.front();
    next_.pop_front();
    Owner& who = owner.second;
    who.listed = false;
    Wait& first = *who.waiting.front();
    who.waiting.pop_front();
    --waiting_;
    first.waits_ = false;
    first.granted_ = true;
    ++who.in_use;
    ++in_use_;
    list(owner);
    first.wake();
  }
}

void Turns::forget(Owners::iterator owner) {
  if (owner->second.in_use == 0 && owner->second.waiting.empty()) owners_.erase(owner);
}

Turns::Wait::~Wait() {
  if (granted_) turns_.give_back(owner_);
  if (!waits_) return;
  const auto owner = turns_.owners_.find(owner_);
  owner->second.waiting.remove(this);
  --turns_.waiting_;
  if (owner->second.waiting.empty() && owner->second.listed) {
    turns_.next_.remove(&*owner);
    owner->second.listed = false;
  }
  turns_.forget(owner);
}

bool Turns::Wait::await_ready() {
  granted_ = turns_.take(owner_);
  if (granted_) return true;
  const bool full = turns_.owners_[owner_].waiting.size() >= turns_.limits_.waiting_per_owner;
  if (full) ++turns_.counters_.refused;
  return full;
}

void Turns::Wait::await_suspend(std::coroutine_handle<> handle) {
  handle_ = handle;
  waits_ = true;
  auto& owner = *turns_.owners_.find(owner_);
  owner.second.waiting.push_back(this);
  ++turns_.waiting_;
  ++turns_.counters_.waited;
  turns_.list(owner);
}

Turns::Place Turns::Wait::await_resume() {
  if (!granted_) return Place();
  granted_ = false;
  return Place(turns_, owner_);
}

}  // namespace sealpost::dns
