// SPDX-License-Identifier: Apache-2.0
//
// 8-bit mail made 7-bit (mail/seven_bit): the same in any slices, of no more octets than were announced, with bodies in ASCII;
// doing it twice changes nothing more. Binary mail made lines likewise: bodies have no NUL and no bare CR or LF. The input's
// first octet gives the size of the slices, and what the message is.
#include <cstdint>
#include <string>

#include "mail/seven_bit.hpp"
#include "mail/smtputf8.hpp"
#include "require.hpp"

namespace {

using namespace sealpost;

SevenBitPlan plan_of(std::string_view message, std::size_t slice, Takes takes, MadeOf made_of) {
  SevenBitScan scan(takes, made_of);
  for (std::size_t at = 0; at < message.size(); at += slice) scan.add(message.substr(at, slice));
  return scan.finish();
}

std::string written(const SevenBitPlan& plan, std::string_view message, std::size_t slice) {
  SevenBitWriter writer(plan);
  std::string out;
  for (std::size_t at = 0; at < message.size(); at += slice) writer.add(message.substr(at, slice), out);
  writer.finish(out);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t slice = 1 + data[0] % 32;
  const std::string_view message(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t whole = message.size() + 1;
  const Takes takes = (data[0] & 64) != 0 ? Takes::eight_bits : Takes::seven_bits;
  const MadeOf made_of = (data[0] & 128) != 0 ? MadeOf::octets : MadeOf::lines;
  const SevenBitPlan plan = plan_of(message, whole, takes, made_of);
  const std::string out = written(plan, message, whole);
  require(written(plan_of(message, slice, takes, made_of), message, slice) == out);
  require(out.size() <= plan.size);
  if (!plan.possible) return 0;
  // Left are header fields: their charset is nobody's to guess.
  MimeStructure structure;
  const auto look = [&](const MimeLine& line) {
    if (line.kind != MimeLine::Kind::body) return;
    if (takes == Takes::seven_bits) require(is_ascii(line.text));
    if (made_of != MadeOf::octets) return;
    std::string_view text = line.text;
    if (text.ends_with("\r\n")) text.remove_suffix(2);
    require(text.find_first_of(std::string_view("\0\r\n", 3)) == std::string_view::npos);
  };
  structure.add(out, look);
  structure.finish(look);
  require(!plan_of(out, whole, takes, made_of).anything);
  return 0;
}
