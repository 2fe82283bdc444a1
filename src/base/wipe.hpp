// SPDX-License-Identifier: Apache-2.0
//
// For octets that must not stay in memory (T-62).
#pragma once

#include <array>
#include <span>
#include <string>

namespace sealpost {

void wipe(std::string& octets) noexcept;  // all of its room, and it is empty afterwards
void wipe(std::span<char> octets) noexcept;

// Room to read into, wiped when it goes.
template <std::size_t size>
struct WipedRoom {
  WipedRoom() = default;
  WipedRoom(const WipedRoom&) = delete;
  WipedRoom& operator=(const WipedRoom&) = delete;
  ~WipedRoom() { wipe(std::span(octets)); }
  std::array<char, size> octets;
};

}  // namespace sealpost
