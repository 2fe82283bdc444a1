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
constexpr Row anywhere = {
    {allow(hello, hello), allow(ready, ready), allow(mail, mail), allow(rcpt, rcpt), allow(chunks, chunks)}};

// Columns: hello, ready, mail, rcpt, chunks.
constexpr std::array<Row, verb_count> table = {{
    // EHLO, HELO: at any time, end a transaction; refused, they leave all as it was (§4.1.4).
    {{allow(ready, hello), allow(ready, ready), allow(ready, mail), allow(ready, rcpt),
      allow(ready, chunks)}},
    {{allow(ready, hello), allow(ready, ready), allow(ready, mail), allow(ready, rcpt),
      allow(ready, chunks)}},
    // MAIL: a second one inside a transaction ends it.
    {{deny(hello), allow(mail, ready), deny(ready), deny(ready), deny(ready)}},
    // RCPT: one refused recipient does not touch the others. Behind a chunk it is too late.
    {{deny(hello), deny(ready), allow(rcpt, mail), allow(rcpt, rcpt), deny(ready)}},
    // DATA: the transaction is over afterwards, whatever became of it. It does not mix with BDAT.
    {{deny(hello), deny(ready), deny(ready), allow(ready, ready), deny(ready)}},
    // RSET
    {{allow(hello, hello), allow(ready, ready), allow(ready, mail), allow(ready, rcpt),
      allow(ready, chunks)}},
    anywhere,  // NOOP
    anywhere,  // QUIT: the session is over
    anywhere,  // VRFY
    anywhere,  // EXPN
    anywhere,  // HELP
    // STARTTLS: everything said before is forgotten (RFC 3207 §4.2, T-04).
    {{allow(hello, hello), allow(hello, ready), allow(hello, mail), allow(hello, rcpt),
      allow(hello, chunks)}},
    // AUTH: once, and outside a transaction, which it does not touch (RFC 4954 §4).
    {{deny(hello), allow(ready, ready), deny(mail), deny(rcpt), deny(ready)}},
    // XCLIENT: whoever comes now has said nothing yet.
    {{allow(hello, hello), allow(hello, ready), deny(mail), deny(rcpt), deny(ready)}},
    // BDAT: as DATA, but that it may come again (RFC 3030 §2). A chunk that fails ends the transaction.
    {{deny(hello), deny(ready), deny(ready), allow(chunks, ready), allow(chunks, ready)}},
    // BDAT LAST
    {{deny(hello), deny(ready), deny(ready), allow(ready, ready), allow(ready, ready)}},
    anywhere,  // a web client: the session is over
    anywhere,  // unknown: 500, and on (§4.1.4)
}};

constexpr std::array<std::string_view, verb_count> names = {
    "EHLO", "HELO", "MAIL",     "RCPT", "DATA",    "RSET", "NOOP", "QUIT", "VRFY",
    "EXPN", "HELP", "STARTTLS", "AUTH", "XCLIENT", "BDAT", "BDAT", "HTTP", "unknown"};

}  // namespace

Step step(Phase phase, Verb verb) noexcept {
  return table[static_cast<std::size_t>(verb)][static_cast<std::size_t>(phase)];
}

const ServerReply& out_of_order(Phase phase, Verb verb) noexcept {
  if (phase == Phase::hello) return replies::hello_first;
  if (phase == Phase::chunks) return replies::chunks_open;
  if (verb == Verb::mail) return replies::transaction_open;
  if (verb == Verb::auth) return replies::auth_in_transaction;
  if (verb == Verb::xclient) return replies::xclient_in_transaction;
  if (phase == Phase::mail && verb != Verb::rcpt) return replies::no_recipients;
  return replies::mail_first;
}

std::string_view name_of(Verb verb) noexcept { return names[static_cast<std::size_t>(verb)]; }

}  // namespace sealpost::smtp
