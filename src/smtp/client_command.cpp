// SPDX-License-Identifier: Apache-2.0
#include "smtp/client_command.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "mail/smtputf8.hpp"
#include "mail/xtext.hpp"

namespace sealpost::smtp {

namespace {

constexpr std::size_t longest_orcpt = 500;

void append_number(std::string& out, std::uint64_t value) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

void append_notify(std::string& out, std::uint8_t notify) {
  out += " NOTIFY=";
  if (notify & notify_never) {
    out += "NEVER";
    return;
  }
  const char* between = "";
  const auto add = [&](Notify bit, const char* name) {
    if (!(notify & bit)) return;
    out.append(between).append(name);
    between = ",";
  };
  add(notify_success, "SUCCESS");
  add(notify_failure, "FAILURE");
  add(notify_delay, "DELAY");
}

}  // namespace

void append_mail(std::string& out, const Envelope& envelope, std::uint64_t size, BodyType body, bool utf8,
                 const Extensions& extensions) {
  out.append("MAIL FROM:<").append(envelope.reverse_path).append(">");
  if (extensions.size) {
    out += " SIZE=";
    append_number(out, size);
  }
  // To a host without 8BITMIME the octets go as they are: recoding would break signatures (X5).
  if (body == BodyType::eight_bit_mime && extensions.eight_bit_mime) out += " BODY=8BITMIME";
  if (body == BodyType::binary && extensions.chunking && extensions.binarymime) out += " BODY=BINARYMIME";
  if (utf8 && extensions.smtputf8) out += " SMTPUTF8";
  if (envelope.flags.requiretls && extensions.requiretls) out += " REQUIRETLS";
  if (extensions.dsn) {
    if (envelope.ret == 1) out += " RET=FULL";
    if (envelope.ret == 2) out += " RET=HDRS";
    if (!envelope.envid.empty()) out.append(" ENVID=").append(to_xtext(envelope.envid));
  }
  out += "\r\n";
}

void append_rcpt(std::string& out, const Recipient& recipient, const Extensions& extensions) {
  out.append("RCPT TO:<").append(recipient.address).append(">");
  if (extensions.dsn) {
    if (recipient.notify != 0) append_notify(out, recipient.notify);
    // Grown by its escapes beyond what a host has to take (RFC 3461 §4.2) it would have the recipient refused: then it stays here.
    const std::string original = ascii_original(recipient.original);
    if (!original.empty() && original.size() <= longest_orcpt) out.append(" ORCPT=").append(original);
  }
  out += "\r\n";
}

std::optional<Unfit> unfit(const Envelope& envelope, const Recipient& recipient,
                           const Extensions& extensions) {
  if (!extensions.smtputf8 && needs_smtputf8(envelope, recipient)) {  // RFC 6531 §3.2, §3.5
    const std::string what = !is_ascii(recipient.address)       ? "the recipient's address is"
                             : !is_ascii(envelope.reverse_path) ? "the sender's address is"
                                                                : "the header is";
    return Unfit{"5.6.7", "SMTPUTF8 required but not offered: " + what + " beyond ASCII"};
  }
  return std::nullopt;
}

bool fits_in_command(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet >= ' ' && octet != 0x7f;
  });
}

}  // namespace sealpost::smtp
