// SPDX-License-Identifier: Apache-2.0
//
// Lines of sts-policies.log as read back from disk: refused, or they say the same when written again.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/digest.hpp"
#include "sts/copy.hpp"

namespace {

using namespace sealpost::sts;

void check(std::string_view line) {
  const auto record = from_line(line);
  if (!record) return;
  std::string written = to_line(*record);
  written.pop_back();
  const auto again = from_line(written);
  if (!again || again->dropped != record->dropped || again->entry.domain != record->entry.domain ||
      again->entry.id != record->entry.id || again->entry.body != record->entry.body ||
      again->entry.fetched != record->entry.fetched || again->entry.expires != record->entry.expires)
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  check(input);
  // With a right checksum the rest is reached.
  check(sealpost::sha256_hex(input).substr(0, 16) + " " + input);
  return 0;
}
