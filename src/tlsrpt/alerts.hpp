// SPDX-License-Identifier: Apache-2.0
//
// Alerts: what the postmaster should hear of in minutes. A cause is a kind and a subject; while it lasts it is one alert,
// mailed at most once a day, and its end is said too. Rows of tlsrpt.db, so a restart neither forgets nor repeats.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/health.hpp"
#include "tlsrpt/recorder.hpp"
#include "tlsrpt/store.hpp"

namespace sealpost::tlsrpt {

enum class AlertKind : std::uint8_t {
  delivery,     // an enforced requirement keeps mail for a domain back
  certificate,  // a host's certificate ends within the configured days
  sts_refresh,  // a cached MTA-STS policy could not be refreshed several times in a row (RFC 8461 §10.2)
  relay,        // the relay itself is not well (base/health.hpp)
};
std::string_view name_of(AlertKind kind) noexcept;

struct AlertSettings {
  AlertSettings() = default;
  bool enabled = true;
  std::chrono::seconds after{120};    // a delivery failure that a success follows sooner is nobody's alert
  std::chrono::days certificate{14};  // 0: no such alerts
  unsigned refresh_streak = 3;
};

struct Observation {
  AlertKind kind = AlertKind::delivery;
  std::string subject;
  bool wrong = false;
  std::string what, how;  // in words; when wrong
  SystemTime when{};
};
// What a session says about causes, good news included. Pure.
std::vector<Observation> observations_of(const SessionRecord& record, const AlertSettings& settings);

struct Alert {
  AlertKind kind = AlertKind::delivery;
  std::string subject, what, how;
  SystemTime since{}, last_seen{};
  SystemTime raised{}, mailed{};  // 1970: not yet
  SystemTime resolved{};          // 1970: it lasts
};

// Lives on the database's thread; the counters may be read from any.
class AlertBook {
 public:
  explicit AlertBook(const AlertSettings& settings) : settings_(settings) {}

  Expected<void> load(Store& store);
  void observe(const Observation& observation);
  // All that is not well with the relay now; what was and is not among them is over.
  void observe_relay(const std::vector<Health::Trouble>& troubles, SystemTime now);

  struct News {
    std::vector<Alert> raised, resolved;
    std::vector<Alert> to_mail;  // those that last first, then those that are over
  };
  // What is new since the last call. On disk before it is handed out: a crash says something once less, not twice. While
  // the table cannot be written it is handed out all the same, once, and written later: that is itself news.
  Expected<News> news(Store& store, SystemTime now);
  std::vector<Alert> open(std::size_t most) const;  // on the database's thread

  struct Counters {
    std::atomic<std::uint64_t> open{0}, raised{0}, resolved{0}, left_out{0};
  };
  const Counters& counters() const noexcept { return counters_; }

 private:
  using Key = std::pair<AlertKind, std::string>;
  struct State {
    Alert alert;
    bool dirty = false;    // changed since it was told
    bool unsaved = false;  // told, but its row could not be written
    bool in_table = false;
  };
  Expected<void> keep(Store& store, const std::vector<Key>& gone);

  AlertSettings settings_;
  std::map<Key, State> alerts_;  // all that last, and what ended today
  Counters counters_;
};

}  // namespace sealpost::tlsrpt
