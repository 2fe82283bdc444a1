// SPDX-License-Identifier: Apache-2.0
//
// gunzip of what a stranger sent: never more octets than the bound, and what was packed here comes back whole.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/gzip.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealpost;
  const std::string input(reinterpret_cast<const char*>(data), size);
  for (const std::size_t most : {std::size_t(0), std::size_t(100), std::size_t(1) << 20}) {
    const auto text = gunzip(input, most);
    if (text && text->size() > most) std::abort();
    if (!text && text.error().code != Errc::invalid && text.error().code != Errc::too_long) std::abort();
  }
  const std::string packed = gzip(input);
  const auto back = gunzip(packed, size);
  if (!back || *back != input) std::abort();
  if (size > 0 && gunzip(packed, size - 1)) std::abort();
  return 0;
}
