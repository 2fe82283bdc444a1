// SPDX-License-Identifier: Apache-2.0
//
// Mail addresses: SMTP paths (RFC 5321 §4.1.2, App. C), their parts and limits (§4.5.3.1), domains as
// A-labels. What parses here has no control character, CR, LF or NUL in it (T-23), so it can stand in any
// command or header.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "rules/domain_name.hpp"
#include "sealpost/expected.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost {

enum class Utf8 : std::uint8_t { refuse, accept };  // accept: within an SMTPUTF8 transaction (RFC 6531)

// lenient: what a client that may relay is granted beyond the grammar (docs/intake.md, ADR 32). Blanks and tabs before
// the path and inside its brackets; no brackets; local parts beyond 64 octets, within the 256 of a path; dots where
// none belong, for which the address gets quotes ("try..this" and try..this name the same box); one last dot of the
// domain, which is dropped; "_" and "-" anywhere in its labels.
enum class Syntax : std::uint8_t { strict, lenient };

struct Path {
  Path() = default;
  std::string address;  // local-part@domain without brackets and source route; "" is the null reverse-path
  std::size_t length =
      0;  // octets of the input up to and with '>' (or the last of an address without brackets):
          // parameters follow
};
// What follows "MAIL FROM:" and "RCPT TO:". One blank before '<' is accepted. A source route is checked and
// dropped (§3.3, App. C). Errc::invalid or too_long; detail says what is wrong and holds no octet of the
// input. Whatever the syntax, the address that comes out is at most 254 octets and reads back as itself.
Expected<Path> parse_reverse_path(std::string_view text, Utf8 utf8 = Utf8::refuse,
                                  Syntax syntax = Syntax::strict);  // also "<>"
Expected<Path> parse_forward_path(std::string_view text, Utf8 utf8 = Utf8::refuse,
                                  Syntax syntax = Syntax::strict);  // also "<postmaster>", any case

// A bare local-part@domain, as in configuration, ORCPT, or a record read back from disk (T-54). Gives the
// address in the form a path gives it: a domain beyond ASCII becomes A-labels, everything else is kept as
// written.
Expected<std::string> parse_mailbox(std::string_view text, Utf8 utf8 = Utf8::refuse,
                                    Syntax syntax = Syntax::strict);

// Parts of an address that has been parsed. "" when it has none ("postmaster", the null reverse-path).
std::string_view local_part_of(std::string_view address) noexcept;
// What follows the last '@' of a text that need not be an address (a contact, what an operator typed); all of it when there
// is none.
std::string_view after_at(std::string_view text) noexcept;
// The domain in the form policies, lanes and DNS use: lower case. A literal keeps its brackets.
std::string domain_of(std::string_view address);
// True for a quoted @ in the local part: a next hop that takes the quotes off sends it elsewhere (T-30).
bool has_quoted_at(std::string_view address) noexcept;

// "[192.0.2.1]", "[IPv6:2001:db8::1]" (§4.1.3). No other tag is registered, so none other is known.
std::optional<IpAddress> parse_address_literal(std::string_view text) noexcept;
// Lower-case A-labels for a domain as people write it: any case, U-labels, one trailing dot. Errc::invalid
// says why.
Expected<std::string> to_a_labels(std::string_view domain);

}  // namespace sealpost
