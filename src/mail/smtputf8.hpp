// SPDX-License-Identifier: Apache-2.0
//
// Mail beyond ASCII (RFC 6531, 6532, 6533): what needs the extension, and the forms of an address that stand in ASCII. Domains
// are A-labels wherever we keep one (mail/address.hpp), so that only local parts and headers ever need it. Pure.
#pragma once

#include <string>
#include <string_view>

#include "mail/envelope.hpp"

namespace sealpost {

bool is_ascii(std::string_view text) noexcept;

// Must a hop offer SMTPUTF8 to be told of this recipient (X6, RFC 6531 §3.2)? For the header's sake, the sender's or its own.
bool needs_smtputf8(const Envelope& envelope, const Recipient& recipient) noexcept;

// utf-8-addr-xtext (RFC 6533 §3): printable ASCII for any address, "\\x{HEX}" for what is none. What is no UTF-8 stands there as
// U+FFFD.
std::string to_utf8_xtext(std::string_view address);

// A value of ORCPT whose type is utf-8: utf-8-addr-xtext, or with `raw` also utf-8-addr-unitext, the octets themselves.
bool is_utf8_xtext(std::string_view text, bool raw) noexcept;

// ORCPT as it may be said where SMTPUTF8 is not (RFC 6533 §3); `original` as in Recipient::original.
std::string ascii_original(std::string_view original);

}  // namespace sealpost
