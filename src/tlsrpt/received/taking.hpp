// SPDX-License-Identifier: Apache-2.0
//
// A file with reports of others, however it came, into the database: each report taken, known, or refused and kept aside.
#pragma once

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

// `file` names it to people; `notes` are put to each report: who brought it. What is wrong with one report keeps no other from it.
// Errc::invalid: nothing in it looks like a report; Errc::too_long: it is over its bound; other errors are the database's. When it
// returns what was taken and kept aside is on disk.
Expected<std::vector<TakenPiece>> take_reports(Store& store, const std::string& octets,
                                               const std::string& file, const std::vector<std::string>& notes,
                                               SystemTime now);

}  // namespace sealpost::tlsrpt
