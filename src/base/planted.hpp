// SPDX-License-Identifier: Apache-2.0
//
// Faults planted on purpose, so that the tests are seen to find them: mistakes that were made once or could be. One at a
// time, named by SEALPOST_PLANT in the environment, and only in builds without optimisation (tests/build debug, asan,
// tsan): an optimised build, which is what is installed, has none of them in it, and tests/functional/test_build.py looks.
// tests/campaign/plants.tsv says which tests find which.
#pragma once

#include <array>
#include <cstdint>
#ifndef __OPTIMIZE__
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#endif
#include <string_view>

namespace sealpost {

enum class Plant : std::uint8_t {
  // Demands
  lend_weak,               // judge() does not look at the strength of a session
  resume_across_profiles,  // a TLS session is resumed whatever its handshake offered
  assume_dane,             // DANE counts as on, whatever the self-test of the resolver says
  unreadable_is_absent,    // a policy that cannot be read is taken for one that never was
  no_second_copy,          // sts-policies.log is not read when sts.db cannot be
  stale_policy,            // the policy an attempt began with holds to its end (T-15)
  // Questions to the DNS
  one_port,         // all leave from one port
  no_query_budget,  // an attempt may ask without end
  one_case,         // their letters are not mixed
  one_dns_owner,    // they wait in one row, whoever's names they are about
  // The journal
  write_behind_unproven_tail,
  ignore_gap,
  ignore_missing_segment,
  ignore_clean_mark,
  ignore_torn_tail,
  no_batch_sequence,
  no_copy_of_damage,
  no_write_again,
  skip_sync,
  trust_failed_tail,
  free_segment_too_early,
  shortage_is_fault,
  forget_facts_without_room,
  half_a_group,
  free_unread,          // segments are freed whoever has not read them
  follow_failed_batch,  // a follower reads what was written and not taken for durable (D-07)
  forget_failed_apply,  // what a follower's store did not take is not given to it again
  // Databases
  busy_is_damage,    // somebody's lock is taken for a damaged file
  full_is_damage,    // a full disk is taken for a damaged file
  io_is_damage,      // a read error is taken for a damaged file
  overwrite_aside,   // a file set aside takes the place of an earlier one
  forget_wal,        // the write-ahead log is deleted, not moved along
  drop_when_closed,  // counts are thrown away while the database cannot be written
  never_reopen,      // a database that could not be used is never tried again
  // Deliveries
  first_host_only,                 // a host that says 4yz is the only one asked (RFC 5321 §5.1)
  retry_after_lost_dot,            // a lost reply to the final dot sends the mail on to the next host (D-15)
  lost_dot_is_delivered,           // a connection that ends after the final dot is taken for a delivery
  go_on_after_refusal,             // what one host refused for good is offered to the next one
  bounce_on_530,                   // a host that wants TLS first is taken for one that wants no such mail
  count_session_limit_as_failure,  // a host that ends a session after some messages is taken for broken
  crowd_is_host_failure,           // a connection refused beside others that work is held against the host
  notify_per_lane,                 // a sender is told of each failure at once, however many (T-37)
  hold_notifications_for_ever,     // undeliverable notifications stay (T-36)
  // Clients
  no_reserve,        // strangers may have every place
  no_data_deadline,  // a message may drip in for as long as it likes
  // Starts, stops and what is short
  probe_before_listen,     // suspects are tried before anybody is listened to (D-12)
  count_drained_attempts,  // what a stop on purpose cuts short counts as cut off by a crash (D-28)
  log_blocks,              // who writes a log line waits for its reader
  steal_socket,            // whatever has the name of the control socket is taken away (T-59)
  emfile_is_host_failure,  // our want of descriptors is held against the host (T-27)
  write_to_deleted,        // a segment that somebody deleted goes on being written (D-01)
  count
};

#ifdef __OPTIMIZE__

constexpr bool planted(Plant) noexcept { return false; }

#else

inline constexpr std::array<std::string_view, static_cast<std::size_t>(Plant::count)> plant_names = {
    "lend-weak",
    "resume-across-profiles",
    "assume-dane",
    "unreadable-is-absent",
    "no-second-copy",
    "stale-policy",
    "one-port",
    "no-query-budget",
    "one-case",
    "one-dns-owner",
    "write-behind-unproven-tail",
    "ignore-gap",
    "ignore-missing-segment",
    "ignore-clean-mark",
    "ignore-torn-tail",
    "no-batch-sequence",
    "no-copy-of-damage",
    "no-write-again",
    "skip-sync",
    "trust-failed-tail",
    "free-segment-too-early",
    "shortage-is-fault",
    "forget-facts-without-room",
    "half-a-group",
    "free-unread",
    "follow-failed-batch",
    "forget-failed-apply",
    "busy-is-damage",
    "full-is-damage",
    "io-is-damage",
    "overwrite-aside",
    "forget-wal",
    "drop-when-closed",
    "never-reopen",
    "first-host-only",
    "retry-after-lost-dot",
    "lost-dot-is-delivered",
    "go-on-after-refusal",
    "bounce-on-530",
    "count-session-limit-as-failure",
    "crowd-is-host-failure",
    "notify-per-lane",
    "hold-notifications-for-ever",
    "no-reserve",
    "no-data-deadline",
    "probe-before-listen",
    "count-drained-attempts",
    "log-blocks",
    "steal-socket",
    "emfile-is-host-failure",
    "write-to-deleted",
};

// The one in force, Plant::count for none. A name that is none ends the program well: what is expected to fail must not do
// so for a slip of the pen.
inline Plant plant_in_force() noexcept {
  const char* const text = std::getenv("SEALPOST_PLANT");
  if (text == nullptr || *text == '\0') return Plant::count;
  const auto found = std::find(plant_names.begin(), plant_names.end(), std::string_view(text));
  if (found != plant_names.end()) return static_cast<Plant>(found - plant_names.begin());
  std::fprintf(stderr, "SEALPOST_PLANT=%s: no such fault\n", text);
  std::_Exit(0);
}

inline bool planted(Plant plant) noexcept {
  static const Plant in_force = plant_in_force();
  return plant == in_force;
}

#endif

}  // namespace sealpost
