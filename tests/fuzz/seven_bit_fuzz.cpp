// SPDX-License-Identifier: Apache-2.0
//
// 8-bit mail made 7-bit (mail/seven_bit): the same in any slices, of no more octets than were announced, with bodies in ASCII;
// doing it twice changes nothing more. The input's first octet gives the size of the slices.
#include <cstdint>
#include <string>

#include "mail/seven_bit.hpp"
#include "mail/smtputf8.hpp"
#include "require.hpp"

namespace {

using namespace sealpost;

SevenBitPlan plan_of(std::string_view message, std::size_t slice) {
  SevenBitScan scan;
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
  const SevenBitPlan plan = plan_of(message, whole);
  const std::string out = written(plan, message, whole);
  require(written(plan_of(message, slice), message, slice) == out);
  require(out.size() <= plan.size);
  if (!plan.possible) return 0;
  // Left are header fields: their charset is nobody's to guess.
  MimeStructure structure;
  const auto look = [&](const MimeLine& line) {
    if (line.kind == MimeLine::Kind::body) require(is_ascii(line.text));
  };
  structure.add(out, look);
  structure.finish(look);
  require(!plan_of(out, whole).anything);
  return 0;
}
