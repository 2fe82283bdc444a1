// SPDX-License-Identifier: Apache-2.0
//
// How sessions were protected, by UTC day: what the page Transit draws. Each session counts once, for the strongest thing that
// held.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "history/store.hpp"

namespace sealpost::history {

enum class Protection : std::uint8_t {
  dane,       // the certificate matched signed records of a host that signed records led to
  mta_sts,    // trusted, named as the host, and a host of the domain's policy
  verified,   // trusted and named as the host; nobody published that it must be
  encrypted,  // whoever it was with
  clear,
  refused,  // no mail went: a demand was not met
};
constexpr std::size_t protections = 6;
std::string_view name_of(Protection protection) noexcept;  // "dane", "mta_sts", ...

Protection protection_of(const Facts& facts, Verdict verdict, const std::string& mx_host);

constexpr std::size_t most_hosts = 200;
constexpr std::size_t most_days = 400;  // the newest; more than a year is asked by nobody

struct DayOfSessions {
  std::string day;  // 2026-01-31
  std::array<std::uint64_t, protections> sessions{};
  std::uint64_t passed = 0, reported = 0, refused = 0;  // the same by verdict
};
struct HostSeen {
  std::string mx_host;
  SystemTime last{};                   // session; where certificates were shown, the last with one
  SystemTime not_before{}, expires{};  // of the certificate shown then; the epoch: none ever was
};
struct Days {
  std::vector<DayOfSessions> days;  // with sessions, the oldest first; each is whole
  std::vector<HostSeen> hosts;      // at most most_hosts, by name
  std::uint64_t damaged = 0;        // rows that could not be believed (T-54)
  bool cut = false;                 // of so many rows only the newest days were read: days.front() and later
};
struct DaysWanted {
  DaysWanted() = default;
  SystemTime since{};
  std::string domain;            // of recipients; empty: all
  std::string partner;           // the rule in force then; empty: whichever
  std::size_t most = most_rows;  // a bound on the time it takes; the newest day is read in any case
};
// Memory does not grow with the history, and SQLite sorts nothing: a busy relay's has millions of rows.
Expected<Days> days_of(Store& store, const DaysWanted& wanted);

}  // namespace sealpost::history
