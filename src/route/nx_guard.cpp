// SPDX-License-Identifier: Apache-2.0
#include "route/nx_guard.hpp"

namespace sealpost::delivery {
namespace {
using namespace std::chrono_literals;
constexpr auto window = 10min;
constexpr std::size_t sample = 20;  // fewer domains say nothing about the resolver
constexpr std::size_t most_recent = 4096;
}  // namespace

void NxGuard::saw(const std::string& domain, bool nxdomain, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  if (recent_.size() >= most_recent)
    std::erase_if(recent_, [&](const auto& item) { return item.second.when + window < now; });
  if (recent_.size() >= most_recent) recent_.erase(recent_.begin());
  recent_.insert_or_assign(domain, Seen{now, nxdomain});
}

bool NxGuard::believable(SteadyTime now) const {
  const std::lock_guard lock(mutex_);
  std::size_t seen = 0;
  std::size_t missing = 0;
  for (const auto& [domain, entry] : recent_) {
    if (entry.when + window < now) continue;
    ++seen;
    if (entry.nxdomain) ++missing;
  }
  return seen < sample || missing * 5 <= seen;
}

std::string NxGuard::witness(SteadyTime now) const {
  const std::lock_guard lock(mutex_);
  auto oldest = recent_.end();
  for (auto entry = recent_.begin(); entry != recent_.end(); ++entry) {
    if (entry->second.nxdomain || entry->second.when + window < now) continue;
    if (oldest == recent_.end() || entry->second.when < oldest->second.when) oldest = entry;
  }
  return oldest == recent_.end() ? std::string() : oldest->first;
}

event::Task<std::string> doubt_of_absence(dns::Resolver& resolver, const NxGuard& guard, std::string domain,
                                          SteadyTime now) {
  if (!guard.believable(now)) co_return "more than a fifth of recent domains were answered NXDOMAIN";
  std::string witness = guard.witness(now);
  const bool remembered = !witness.empty();
  if (!remembered)
    witness = domain.substr(domain.rfind('.') + 1);  // the top-level domain: it exists, or is misspelt
  // TXT, because nothing else asks for it there: the answer is not one remembered from better times.
  const auto answer = co_await resolver.query_fresh(witness, dns::RrType::txt);
  const bool exists = answer->status == dns::Status::found || answer->status == dns::Status::no_data;
  if (exists) co_return "";
  co_return witness + (remembered ? ", which existed minutes ago, is not found either"
                                  : " is not found either, and nothing else was found lately");
}

}  // namespace sealpost::delivery
