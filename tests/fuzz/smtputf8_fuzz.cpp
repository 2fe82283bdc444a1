// SPDX-License-Identifier: Apache-2.0
//
// Addresses and headers beyond ASCII (RFC 6531, 6532, 6533): what parses reads back as itself and has a form in ASCII that is read as
// such; headers are judged the same in any slices.
#include <cstdint>
#include <string>

#include "base/text.hpp"
#include "mail/address.hpp"
#include "mail/smtputf8.hpp"
#include "mail/utf8_headers.hpp"
#include "require.hpp"

namespace {

using namespace sealpost;

void check_headers(std::string_view message) {
  Utf8Headers whole, single;
  whole.add(message);
  whole.finish();
  for (std::size_t at = 0; at < message.size(); ++at) single.add(message.substr(at, 1));
  single.finish();
  require(whole.beyond_ascii() == single.beyond_ascii());
  require(whole.well_formed() == single.well_formed());
  if (is_ascii(message)) require(!whole.beyond_ascii() && whole.well_formed());
  if (text::is_utf8(message)) require(whole.well_formed());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string xtext = to_utf8_xtext(input);
  require(is_ascii(xtext));
  require(input.empty() || is_utf8_xtext(xtext, false));
  if (text::is_utf8(input)) require(is_ascii(ascii_original(input)));
  if (is_utf8_xtext(input, true)) require(is_utf8_xtext(ascii_original(input), false));
  for (const Syntax syntax : {Syntax::strict, Syntax::lenient}) {
    const auto mailbox = parse_mailbox(input, Utf8::accept, syntax);
    if (!mailbox) continue;
    require(text::is_utf8(*mailbox));
    require(is_ascii(domain_of(*mailbox)));  // one spelling only
    require(parse_mailbox(*mailbox, Utf8::accept, syntax).value_or("") == *mailbox);
  }
  check_headers(input);
  return 0;
}
