// SPDX-License-Identifier: Apache-2.0
//
// What `check --live` tries beyond the files: do the DNS servers answer, do they validate (the daemon's own self-test),
// can the listeners be bound, can data_dir be written. Nothing stays of it: no socket, no file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace sealpost::app {

struct LiveFinding {
  // taken: by a process that may well be the relay itself.
  enum class Kind : std::uint8_t { good, taken, warning, bad };
  LiveFinding(Kind kind_, std::string subject_, std::string text_)
      : kind(kind_), subject(std::move(subject_)), text(std::move(text_)) {}
  Kind kind;
  std::string subject;  // "dns 127.0.0.1:53", "dnssec", "listener 0.0.0.0:25", "data_dir /var/lib/sealpost"
  std::string text;
};
std::string_view name_of(LiveFinding::Kind kind) noexcept;

// Takes as long as the slowest server, half a minute at most.
std::vector<LiveFinding> check_live(const Config& config);

}  // namespace sealpost::app
