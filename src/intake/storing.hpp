// SPDX-License-Identifier: Apache-2.0
//
// What messages for the spool and reports for the desk have in common between 354 and 250: how they wait for memory, and what
// is said when there is none, or no disk.
#pragma once

#include <chrono>

#include "intake/client_handler.hpp"
#include "sealpost/error.hpp"
#include "smtp/server_handler.hpp"

namespace sealpost::intake {

inline constexpr auto memory_wait = std::chrono::seconds(60);
inline constexpr smtp::ServerReply no_memory{452, "4.3.1", "too many messages in transit, try again later"};
inline constexpr smtp::ServerReply no_space{452, "4.3.1", "not enough storage, try again later"};

// A lease grows by whole steps, so that not every read asks.
constexpr std::uint64_t up_to_step(std::uint64_t octets, std::uint64_t step) noexcept {
  return (octets + step - 1) / step * step;
}

// Counted, and said as often as the worker's lines allow.
void note_trouble(Worker& worker, const MessageId& id, const Error& error);

}  // namespace sealpost::intake
