// SPDX-License-Identifier: Apache-2.0
//
// The order of commands (RFC 5321 §4.1.4), as one table: which verb is allowed in which phase, and where the
// session stands after it succeeded or failed. Nothing else in the server decides about order (T-24).
//
// A refused command changes nothing, with one exception: what cannot lead to a whole transaction any more
// ends it. So a second MAIL, a DATA that was refused and every failure after 354 leave the session without a
// transaction, and no message is ever put together from two half envelopes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

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
  auth,  // not on this kind of listener (T-05)
  bdat,  // not offered; what follows would be read as commands, so the session ends
  http,  // a web client (T-06)
  unknown,
};
inline constexpr std::size_t verb_count = 16;
std::string_view name_of(Verb verb) noexcept;  // "MAIL"; "unknown"

enum class Phase : std::uint8_t {
  hello,  // EHLO or HELO has not been said (in this layer: STARTTLS leads back here, RFC 3207 §4.2)
  ready,  // no transaction
  mail,   // MAIL accepted, no recipient yet
  rcpt,   // at least one recipient accepted
};
inline constexpr std::size_t phase_count = 4;

struct Step {
  bool allowed;  // false: answer 503 5.5.1 (DATA without recipient: 554 5.5.1)
  Phase on_success;
  Phase on_failure;  // also where a command that is not allowed leads
};

Step step(Phase phase, Verb verb) noexcept;

}  // namespace sealpost::smtp
