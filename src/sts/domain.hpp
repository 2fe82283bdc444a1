// SPDX-License-Identifier: Apache-2.0
//
// One domain as the MTA-STS service sees it: its cached policy, its TXT record as last seen, how fetching goes; and the
// rules that follow from these (RFC 8461 §3.1, §3.3, §5.1, §8.3). Plain values, the time passed in; no I/O.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "event/wait.hpp"
#include "sealpost/mta_sts.hpp"
#include "sealpost/requirement.hpp"
#include "sts/entry.hpp"

namespace sealpost::sts {

// More than a clock is out by while it is believed.
inline constexpr auto clock_play = std::chrono::minutes(10);

struct StsSettings {
  StsSettings() = default;
  std::chrono::seconds retry = std::chrono::minutes(5);   // after a failed fetch of the same id (S23)
  std::chrono::seconds refresh = std::chrono::hours(24);  // ahead of expiry, give or take a tenth (S30)
  std::chrono::seconds recheck =
      std::chrono::hours(1);  // refetch of an unchanged id after a policy failure (T-15)
  std::chrono::seconds record_failed =
      std::chrono::seconds(30);  // until a record is asked for again after a DNS error
  std::chrono::seconds record_least = std::chrono::seconds(10);  // whatever smaller TTL it has
  std::chrono::seconds record_most = std::chrono::hours(1);      // whatever larger TTL it has (S32)
  std::chrono::days idle = std::chrono::days(90);  // a policy not used for this long is left to expire
  std::chrono::days expired_kept = std::chrono::days(30);  // in `sts show`
  unsigned alert_at = 3;                                   // failed refreshes in a row (T-12)
  std::size_t in_memory = 50'000;                          // domains
  std::size_t runs = 10'000;                               // at once; beyond, no new domain is looked at
  std::size_t refreshes = 16;                              // at once
  // How long mail waits for a domain of which it is not known whether a policy was cached, because the cache cannot be read
  // (D-24), counted from when that was found: with no record now, and with one whose policy cannot be fetched or no answer.
  std::chrono::seconds unsure_without_record = std::chrono::hours(1);
  std::chrono::seconds unsure_at_most = std::chrono::hours(24);
  Duration patience = std::chrono::seconds(90);  // of recheck() and refresh()
};

// Why a run was begun, weakest first.
enum class StsReason : std::uint8_t {
  delivery,   // mail is about to go there
  refresh,    // it is time
  recheck,    // a delivery failed by policy (T-15)
  operator_,  // `sts refresh`
};

struct StsRun {
  StsRun(event::Loop& loop, StsReason reason_) : reason(reason_), began(loop.now()), signal(loop) {}
  const StsReason reason;
  const SteadyTime began;
  bool done = false;
  event::Signal signal;
};

struct StsDomain {
  explicit StsDomain(std::string name_) : name(std::move(name_)) {}

  const std::string name;
  enum class Load : std::uint8_t { not_begun, begun, done };
  Load load = Load::not_begun;
  std::shared_ptr<event::Signal> loaded;
  std::shared_ptr<StsRun> run;  // the one that is under way

  std::optional<StsEntry> entry;
  std::shared_ptr<const MtaStsPolicy> policy;  // entry's body, parsed; set exactly when entry is
  bool expiry_logged = false;
  // The cache cannot say whether there is a policy: until then mail waits, unless one is fetched. Unset: it can.
  std::optional<SteadyTime> unsure_since;
  bool unannounced = false;  // it has changed, and nobody has been told yet

  // The TXT record as last seen. `unknown`: not asked yet, or DNS failed, which is not the same as absent (S8).
  enum class Record : std::uint8_t { unknown, absent, valid };
  Record record = Record::unknown;
  std::string record_id;
  std::string record_problem;  // absent, because what is published cannot be read: why
  SteadyTime record_until{};   // look again then

  // The last fetch, when it failed.
  std::string failed_id, failure_type, failure_reason;
  bool starved = false;  // the last fetch did not take place for a want of ours: nothing is known
  SteadyTime retry_at{};
  SteadyTime tried{};  // when a fetch ended last

  // A policy is applied until its lifetime is over (S28). One that lives shorter than an attempt takes is still applied
  // to the attempt it was fetched for (S15).
  // None lives longer than its max_age from now: one that claims to was fetched while the clock stood wrong, and lives
  // from when it was fetched (T-50). `now` is the earliest time it can be: in doubt a policy holds.
  SystemTime applies_until(SystemTime now) const noexcept;
  bool has_policy(SystemTime now) const noexcept { return policy && now < applies_until(now); }
  bool backing_off(SteadyTime now) const noexcept;
  // A policy is cached, and the record names another one.
  bool id_differs(SystemTime now) const noexcept {
    return has_policy(now) && record == Record::valid && entry->id != record_id;
  }
  // May a run that is under way bring a policy that asks for more than what is cached? Of one that enforces it is not
  // assumed before its record says so: the record alone is looked at without anybody waiting.
  bool may_ask_more(SystemTime now) const noexcept {
    return !has_policy(now) || policy->mode != StsMode::enforce || id_differs(now);
  }
  std::string id_to_fetch() const {
    return record == Record::valid ? record_id : entry ? entry->id : std::string();
  }
  bool wants_run(SteadyTime now, SystemTime wall) const noexcept;
  bool wants_fetch(StsReason reason, SteadyTime now, SystemTime wall,
                   const StsSettings& settings) const noexcept;
  bool unsure(SteadyTime now, const StsSettings& settings) const noexcept;
  StsState state(SteadyTime steady, SystemTime now, const StsSettings& settings) const;
};

// When to refresh a policy fetched now: a day, or half of a shorter life, give or take a tenth. `lot` in [0, 1000).
std::chrono::seconds refresh_gap(std::chrono::seconds max_age, std::chrono::seconds usual,
                                 std::uint64_t lot) noexcept;
// When to try again after so many failures: doubling from `first` to an hour.
std::chrono::seconds retry_gap(unsigned failures, std::chrono::seconds first) noexcept;

}  // namespace sealpost::sts
