// SPDX-License-Identifier: Apache-2.0
//
// SMTP paths (RFC 5321 §4.1.2): what is accepted has no octet that could leave its place (T-23), keeps to the limits, and
// is accepted again as a mailbox, unchanged.
#include <cstdint>
#include <string>

#include "base/text.hpp"
#include "mail/address.hpp"
#include "require.hpp"

namespace {

using namespace sealpost;

void check_address(const std::string& address, Utf8 utf8, Syntax syntax) {
  for (const char c : address) {
    const auto octet = static_cast<unsigned char>(c);
    require(octet >= 0x20 && octet != 0x7f);
    require(octet < 0x80 || utf8 == Utf8::accept);
  }
  require(text::is_utf8(address) && address.size() <= 254);
  if (address.empty() || text::iequals(address, "postmaster")) return;
  require(syntax == Syntax::lenient || local_part_of(address).size() <= 64);
  const std::string domain = domain_of(address);
  require(is_domain_name(domain) || parse_address_literal(domain) ||
          (syntax == Syntax::lenient && is_lenient_domain_name(domain)));
  const auto again = parse_mailbox(address, utf8, syntax);
  require(again && *again == address);
}

void check_path(const Expected<Path>& path, std::string_view text, Utf8 utf8, Syntax syntax) {
  if (!path) {
    require(text::printable(path.error().detail) == path.error().detail);
    return;
  }
  require(path->length > 0 && path->length <= text.size());
  require(syntax == Syntax::lenient || (path->length <= 257 && text[path->length - 1] == '>'));
  check_address(path->address, utf8, syntax);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const Utf8 utf8 : {Utf8::refuse, Utf8::accept}) {
    for (const Syntax syntax : {Syntax::strict, Syntax::lenient}) {
      check_path(parse_reverse_path(text, utf8, syntax), text, utf8, syntax);
      check_path(parse_forward_path(text, utf8, syntax), text, utf8, syntax);
      if (const auto mailbox = parse_mailbox(text, utf8, syntax)) check_address(*mailbox, utf8, syntax);
    }
    // Lenience takes more, and understands what it takes no other way.
    if (const auto strict = parse_forward_path(text, utf8)) {
      const auto lenient = parse_forward_path(text, utf8, Syntax::lenient);
      require(lenient && lenient->address == strict->address && lenient->length == strict->length);
    }
  }
  // What A-labels say is a domain stays one; libidn2 gets whatever is not ASCII.
  if (const auto domain = to_a_labels(text)) {
    require(is_domain_name(*domain));
    const auto again = to_a_labels(*domain);
    require(again && *again == *domain);
  }
  return 0;
}
