// SPDX-License-Identifier: Apache-2.0
//
// Alerts: what the postmaster should hear of in minutes. A cause is a kind and a subject; while it lasts it is one alert,
// mailed at most once a day, and its end is said too. Rows of tlsrpt.db, so a restart neither forgets nor repeats.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/health.hpp"
#include "tlsrpt/counting/recorder.hpp"
#include "tlsrpt/counting/store.hpp"

namespace sealpost::tlsrpt {

enum class AlertKind : std::uint8_t {
  delivery,     // an enforced requirement keeps mail for a domain back
  certificate,  // a host's certificate ends within the configured days
  sts_refresh,  // a cached MTA-STS policy could not be refreshed several times in a row (RFC 8461 §10.2)
  relay,        // the relay itself is not well (base/health.hpp)
  received,     // reports of others say that they cannot reach us (received.hpp)
};
std::string_view name_of(AlertKind kind) noexcept;

struct AlertSettings {
  AlertSettings() = default;
  bool enabled = true;
  std::chrono::seconds after{120};    // a delivery failure that a success follows sooner is nobody's alert
  std::chrono::days certificate{14};  // 0: no such alerts
  unsigned refresh_streak = 3;
  unsigned reporters =
      2;  // organizations that must say so; one is enough that got no session through. 0: no such alerts
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
// What reports of others said about the last three days: for each reporter its newest day counts, so that a failure is over
// when a later report of the same organization no longer has it. Bad news only.
Expected<std::vector<Observation>> observations_of_reports(Store& store, unsigned reporters, SystemTime now);

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
  // Other settings from now on. Alerts that they no longer ask for are over, and are told so; switched off, the book is
  // empty, and switched on it knows again what the table has.
  Expected<void> use(const AlertSettings& settings, Store& store, SystemTime now);
  const AlertSettings& settings() const noexcept { return settings_; }
  void observe(const Observation& observation);
  // All that is not well with the relay now; what was and is not among them is over.
  void observe_relay(const std::vector<Health::Trouble>& troubles, SystemTime now);
  // What reports of others said in the last days, when any came since the last call.
  void observe_received(Store& store, SystemTime now);
  // Domains that mail waits for. Where none does for AlertSettings::after, a delivery alert is over: nothing would end it.
  void observe_queue(const std::set<std::string>& waiting, SystemTime now);
  bool delivery_lasts() const;  // so that the queue need not be looked at for nothing

  struct News {
    std::vector<Alert> raised, resolved;
    std::vector<Alert> to_mail;  // those that last first, then those that are over
  };
  // What is new since the last call. On disk before it is handed out: a crash says something once less, not twice. While
  // the table cannot be written it is handed out all the same, once, and written later: that is itself news.
  // `mailing`: news.to_mail goes out. Without, it is empty, and what lasts is mailed once there is somebody to mail to.
  Expected<News> news(Store& store, SystemTime now, bool mailing = true);
  void not_mailed(const std::vector<Alert>& alerts);  // it could not be: those that last are news again
  std::vector<Alert> open(std::size_t most) const;    // on the database's thread
  // Seen, and not an alert before they have lasted for AlertSettings::after.
  std::vector<Alert> pending(std::size_t most) const;

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
    SystemTime idle_since{};  // no mail waits; 1970: some does
  };
  void end_unwanted(AlertKind kind, SystemTime now);
  void end_all_but(AlertKind kind, const std::set<std::string>& subjects, SystemTime now);
  Expected<void> keep(Store& store, const std::vector<Key>& gone);

  AlertSettings settings_;
  std::map<Key, State> alerts_;      // all that last, and what ended today
  std::int64_t newest_report_ = -1;  // received_report.id when they were last looked at, and on which day
  std::string looked_on_;
  Counters counters_;
};

}  // namespace sealpost::tlsrpt
