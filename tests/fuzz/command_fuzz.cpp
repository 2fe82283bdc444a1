// SPDX-License-Identifier: Apache-2.0
//
// Command lines: whatever parses can be said again to a next hop and means the same there; nothing that could end a
// line or hide in a log gets through (T-23). Input: a command line.
#include <cstdint>
#include <string>
#include <string_view>

#include "mail/address.hpp"
#include "mail/xtext.hpp"
#include "require.hpp"
#include "smtp/command.hpp"
#include "smtp/xclient.hpp"

namespace {

using namespace sealpost;
using namespace sealpost::smtp;

bool is_printable(std::string_view text) {
  for (const char c : text)
    if (c < ' ' || c == '\x7f') return false;
  return true;
}

void check_mail(std::string_view argument, Syntax syntax) {
  const auto mail = parse_mail(argument, syntax);
  if (!mail) {
    require(mail.error().code == 501 || mail.error().code == 555);
    return;
  }
  require(is_printable(mail->reverse_path) && is_printable(mail->envid));
  require(mail->reverse_path.size() <= 254 && mail->envid.size() <= 100);
  std::string again = "FROM:<" + mail->reverse_path + ">";
  if (mail->seen & parameter::size) again += " SIZE=" + std::to_string(mail->size);
  if (mail->body == BodyType::eight_bit_mime) again += " BODY=8BITMIME";
  if (mail->ret) again += mail->ret == 1 ? " RET=FULL" : " RET=HDRS";
  if (!mail->envid.empty()) again += " ENVID=" + to_xtext(mail->envid);
  const auto second = parse_mail(again, syntax);
  // xtext may grow when it is written anew; that is the one thing that can then be too long.
  if (!second) {
    require(to_xtext(mail->envid).size() > 100);
    return;
  }
  require(second->reverse_path == mail->reverse_path && second->size == mail->size &&
          second->body == mail->body);
  require(second->ret == mail->ret && second->envid == mail->envid);
}

void check_rcpt(std::string_view argument, Syntax syntax) {
  const auto rcpt = parse_rcpt(argument, syntax);
  if (!rcpt) {
    require(rcpt.error().code == 501 || rcpt.error().code == 555);
    return;
  }
  require(is_printable(rcpt->address) && is_printable(rcpt->original) && !rcpt->address.empty());
  require(rcpt->original.size() <= 500);
  require(!(rcpt->notify & notify_never) || rcpt->notify == notify_never);
  std::string again = "TO:<" + rcpt->address + ">";
  if (!rcpt->original.empty()) again += " ORCPT=" + rcpt->original;
  const auto second = parse_rcpt(again, syntax);
  require(second && second->address == rcpt->address && second->original == rcpt->original);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string line(data, data + size);
  for (const Syntax syntax : {Syntax::strict, Syntax::lenient}) {
    const CommandLine command = split_command(line, syntax);
    require(command.argument.size() <= line.size());
    if (command.verb == Verb::mail) check_mail(command.argument, syntax);
    if (command.verb == Verb::rcpt) check_rcpt(command.argument, syntax);
    if (const auto client = parse_xclient(command.argument)) require(is_printable(client->helo));
    if (const auto name = helo_name(command.argument, syntax)) require(is_printable(*name));
  }
  return 0;
}
