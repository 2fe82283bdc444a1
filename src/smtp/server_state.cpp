// SPDX-License-Identifier: Apache-2.0
#include "smtp/server_state.hpp"

#include <array>

namespace sealpost::smtp {
namespace {

using enum Phase;
using Row = std::array<Step, phase_count>;

constexpr Step allow(Phase success, Phase failure) { return {true, success, failure}; }
constexpr Step deny(Phase after) { return {false, after, after}; }

// Harmless anywhere, and without effect.
constexpr Row anywhere = {{allow(hello, hello), allow(ready, ready), allow(mail, mail), allow(rcpt, rcpt)}};
constexpr Row nowhere = {{deny(hello), deny(ready), deny(mail), deny(rcpt)}};

// Columns: hello, ready, mail, rcpt.
constexpr std::array<Row, verb_count> table = {{
    // EHLO, HELO: at any time, end a transaction; refused, they leave all as it was (§4.1.4).
    {{allow(ready, hello), allow(ready, ready), allow(ready, mail), allow(ready, rcpt)}},
    {{allow(ready, hello), allow(ready, ready), allow(ready, mail), allow(ready, rcpt)}},
    // MAIL: a second one inside a transaction ends it.
    {{deny(hello), allow(mail, ready), deny(ready), deny(ready)}},
    // RCPT: one refused recipient does not touch the others.
    {{deny(hello), deny(ready), allow(rcpt, mail), allow(rcpt, rcpt)}},
    // DATA: the transaction is over afterwards, whatever became of it.
    {{deny(hello), deny(ready), deny(ready), allow(ready, ready)}},
    // RSET
    {{allow(hello, hello), allow(ready, ready), allow(ready, mail), allow(ready, rcpt)}},
    anywhere,  // NOOP
    anywhere,  // QUIT: the session is over
    anywhere,  // VRFY
    anywhere,  // EXPN
    anywhere,  // HELP
    // STARTTLS: everything said before is forgotten (RFC 3207 §4.2, T-04).
    {{allow(hello, hello), allow(hello, ready), allow(hello, mail), allow(hello, rcpt)}},
    nowhere,   // AUTH
    anywhere,  // BDAT: the session is over
    anywhere,  // a web client: the session is over
    anywhere,  // unknown: 500, and on (§4.1.4)
}};

constexpr std::array<std::string_view, verb_count> names = {
    "EHLO", "HELO", "MAIL", "RCPT",     "DATA", "RSET", "NOOP", "QUIT",
    "VRFY", "EXPN", "HELP", "STARTTLS", "AUTH", "BDAT", "HTTP", "unknown"};

}  // namespace

Step step(Phase phase, Verb verb) noexcept {
  return table[static_cast<std::size_t>(verb)][static_cast<std::size_t>(phase)];
}

std::string_view name_of(Verb verb) noexcept { return names[static_cast<std::size_t>(verb)]; }

}  // namespace sealpost::smtp
