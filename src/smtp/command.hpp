// SPDX-License-Identifier: Apache-2.0
//
// Command lines as a server reads them: the verb, and the arguments of MAIL and RCPT as typed values (RFC
// 5321 §4.1, RFC 1870, RFC 3030, RFC 6152, RFC 3461 §4, RFC 8689 §2, RFC 6531 §3.4, RFC 4865 §4). Pure and bounded; what is wrong comes back as the
// reply to give. Which extensions are offered is the session's affair: the parsers tell which parameters they
// saw.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mail/address.hpp"
#include "mail/envelope.hpp"
#include "sealpost/expected.hpp"
#include "smtp/server_reply.hpp"
#include "smtp/server_state.hpp"

namespace sealpost::smtp {

// RFC 5321 §4.5.3.1.4 asks for 512 octets, our extensions for 1036 (RFC 3461 §5); beyond 2 KiB the session
// ends (T-25).
inline constexpr std::size_t command_line_cap = 2048;  // with CRLF
// AUTH, and the answers to its challenges (RFC 4954 §4).
inline constexpr std::size_t auth_line_cap = 12'288;

struct CommandLine {
  Verb verb = Verb::unknown;
  std::string_view argument;  // view into the line, blanks at its end left out (RFC 5321 §4.1.1)
};
// Lenient: blanks and tabs before the verb and, as many as there are, behind it.
CommandLine split_command(std::string_view line, Syntax syntax = Syntax::strict) noexcept;

// BDAT size [LAST] (RFC 3030 §2). Nothing: where the next command begins is unknown, and the session is lost. A size
// that does not fit is the largest value.
struct Chunk {
  std::uint64_t size = 0;
  bool last = false;
};
std::optional<Chunk> parse_chunk(std::string_view argument) noexcept;

// AUTH mechanism [initial-response] (RFC 4954 §4). Nothing: no mechanism is named.
struct AuthCommand {
  std::string mechanism;               // in capitals
  std::optional<std::string> initial;  // as it was sent: base64, or "=" for an empty one
};
std::optional<AuthCommand> parse_auth(std::string_view argument);

// What EHLO and HELO say, as it is kept: more than a domain or literal, since a name that is none is no reason to
// refuse mail (RFC 5321 §4.1.4), but nothing that could not stand in a log or comment: letters, digits and -._:[] up
// to 255. Lenient: anything without control characters, with '?' for each octet that is none of these; a name that
// has one goes into no Received field. Nothing: refuse it.
std::optional<std::string> helo_name(std::string_view said, Syntax syntax = Syntax::strict);

// Parameters by the extension that has to be offered for them.
namespace parameter {
inline constexpr std::uint8_t size = 1, body = 2, dsn = 4, requiretls = 8, smtputf8 = 16, auth = 32,
                              future_release = 64, tls_need = 128;
}

struct MailCommand {
  std::string reverse_path;  // "" is the null reverse-path
  std::uint8_t seen = 0;     // bits of parameter::
  std::uint64_t size = 0;    // SIZE; the largest value when it does not fit
  BodyType body = BodyType::seven_bit;
  std::uint8_t ret = 0;                          // as Envelope::ret
  std::string envid;                             // decoded
  std::optional<std::chrono::seconds> hold_for;  // RFC 4865
  std::optional<SystemTime> hold_until;          // never beside hold_for
  TlsNeed tls_need = TlsNeed::none;              // XTLS: ours
};
// Lenient: of paths, and blanks before the colon and a tab behind the path. `utf8`: accept where SMTPUTF8 is offered; a
// sender beyond ASCII needs the parameter then.
Expected<MailCommand, ServerReply> parse_mail(std::string_view argument, Syntax syntax = Syntax::strict,
                                              Utf8 utf8 = Utf8::refuse);

struct RcptCommand {
  std::string address;  // "postmaster" alone has no domain (RFC 5321 §4.1.1.3)
  std::uint8_t seen = 0;
  std::uint8_t notify = 0;  // as Recipient::notify
  std::string original;     // ORCPT as received
};
// `utf8`: accept where MAIL said SMTPUTF8.
Expected<RcptCommand, ServerReply> parse_rcpt(std::string_view argument, Syntax syntax = Syntax::strict,
                                              Utf8 utf8 = Utf8::refuse);

}  // namespace sealpost::smtp
