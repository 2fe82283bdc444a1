// SPDX-License-Identifier: Apache-2.0
//
// A file with reports of others, however it came, into the database: each report taken, known, or refused and kept aside.
// What strangers send, by mail and by HTTPS, has a bound of its own: StrangersRoom.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "sealpost/clock.hpp"
#include "tlsrpt/counting/store.hpp"
#include "tlsrpt/received/received_report.hpp"

namespace sealpost::tlsrpt {

struct TakenPiece {
  enum class State : std::uint8_t { taken, known, refused };
  State state = State::refused;
  std::string piece;      // where in the file
  ReceivedReport report;  // not of one that was refused
  std::vector<std::string> notes;
  std::string why;         // of one that was refused
  std::int64_t aside = 0;  // then: as what it is kept aside; 0: there was nothing to keep
};

// How much strangers may make us store: `a_day` octets of reports, unpacked, within a day, and as much at once after a start.
// With the days that reports are kept that bounds what tlsrpt.db grows to. Used by one thread.
class StrangersRoom {
 public:
  static constexpr std::uint64_t usual = std::uint64_t{64} << 20;
  explicit StrangersRoom(std::uint64_t a_day = usual) noexcept : a_day_(a_day), left_(a_day) {}
  bool has(std::uint64_t octets, SystemTime now) noexcept;
  void take(std::uint64_t octets) noexcept { left_ -= std::min(left_, octets); }

 private:
  const std::uint64_t a_day_;
  std::uint64_t left_;
  SystemTime filled_{};  // until when it was
};

// `file` names it to people; `notes` are put to each report: who brought it. What is wrong with one report keeps no other from it.
// `room`: of strangers, whose caller has the log line; null: each report has one.
// Errc::invalid: nothing in it looks like a report; Errc::too_long: it is over its bound; Errc::no_space: no room, or the disk is full;
// other errors are the database's. When it returns what was taken and kept aside is on disk.
Expected<std::vector<TakenPiece>> take_reports(Store& store, const std::string& octets,
                                               const std::string& file, const std::vector<std::string>& notes,
                                               SystemTime now, StrangersRoom* room = nullptr);

}  // namespace sealpost::tlsrpt
