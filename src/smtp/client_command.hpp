// SPDX-License-Identifier: Apache-2.0
//
// The commands of a transaction as text: MAIL and RCPT with the parameters that the peer's extensions allow.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "mail/envelope.hpp"
#include "smtp/extensions.hpp"

namespace sealpost::smtp {

// Each appends one line with its end. SIZE (RFC 1870), BODY (6152, 3030) as `body` says, REQUIRETLS (8689), RET and ENVID (3461); SMTPUTF8 (6531)
// when the header, the sender or a recipient of this transaction asks for it, as `utf8` says.
void append_mail(std::string& out, const Envelope& envelope, std::uint64_t size, BodyType body, bool utf8,
                 const Extensions& extensions);
// NOTIFY and ORCPT (RFC 3461 §5.2.1: passed on unchanged, none added; RFC 6533 §3: in ASCII where SMTPUTF8 is not offered).
void append_rcpt(std::string& out, const Recipient& recipient, const Extensions& extensions);

// What keeps a message from a recipient in a session: something a host must offer for it and this one does not. Its mail goes
// to another host or nowhere, whatever this one would say to it.
struct Unfit {
  std::string status;  // as a refusal for good would have it: "5.6.7"
  std::string text;
};
std::optional<Unfit> unfit(const Envelope& envelope, const Recipient& recipient,
                           const Extensions& extensions);

// False for text that could end a command line early or smuggle a second one (T-22, T-23). Addresses were
// checked when they came in and when they were read back; this is the last look before the wire.
bool fits_in_command(std::string_view text) noexcept;

}  // namespace sealpost::smtp
