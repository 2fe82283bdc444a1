// SPDX-License-Identifier: Apache-2.0
//
// The order of commands (RFC 5321 §4.1.4), as one table: which verb is allowed in which phase, and where the
// session stands after it succeeded or failed. Nothing else in the server decides about order (T-24).
//
// A refused command changes nothing, with one exception: what cannot lead to a whole transaction any more
// ends it. So a second MAIL, a DATA that was refused, every failure after 354 or in a chunk, and whatever else than
// a chunk comes between chunks and is no NOOP leave the session without a transaction, and no message is ever put
// together from two half envelopes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "smtp/server_reply.hpp"

namespace sealpost::smtp {

enum class Verb : std::uint8_t {
  ehlo,
  helo,
  mail,
  rcpt,
  data,
  rset,
  noop,
  quit,
  vrfy,
  expn,
  help,
  starttls,
  auth,       // where the listener takes it (T-05)
  xclient,    // of a peer that may speak for others
  bdat,       // more chunks follow
  bdat_last,  // BDAT with LAST
  http,       // a web client (T-06)
  unknown,
};
inline constexpr std::size_t verb_count = 18;
std::string_view name_of(Verb verb) noexcept;  // "MAIL"; "unknown"

enum class Phase : std::uint8_t {
  hello,   // EHLO or HELO has not been said (in this layer: STARTTLS leads back here, RFC 3207 §4.2)
  ready,   // no transaction
  mail,    // MAIL accepted, no recipient yet
  rcpt,    // at least one recipient accepted
  chunks,  // a chunk of the message accepted, but not the last (RFC 3030 §2)
};
inline constexpr std::size_t phase_count = 5;

struct Step {
  bool allowed;  // false: answer out_of_order()
  Phase on_success;
  Phase on_failure;  // also where a command that is not allowed leads
};

Step step(Phase phase, Verb verb) noexcept;
// The reply to a command that is not allowed here: 503 5.5.1 (DATA and BDAT without recipient: 554 5.5.1).
const ServerReply& out_of_order(Phase phase, Verb verb) noexcept;

}  // namespace sealpost::smtp
