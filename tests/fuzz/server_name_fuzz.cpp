// SPDX-License-Identifier: Apache-2.0
//
// The name in a ClientHello: a bounded one of printable ASCII, in lower case, that stands in what came; written again, it is
// read again. Input: the extension's octets.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/text.hpp"
#include "require.hpp"
#include "tls/server_name.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealpost;
  const std::string input(reinterpret_cast<const char*>(data), size);
  const tls::ServerName read(input);
  const std::string name(read.view());
  if (name.empty()) return 0;
  require(name.size() <= 255);
  for (const char c : name) require(c > ' ' && c < '\x7f' && text::lower(c) == c);
  require(text::lower(input).find(name) != std::string::npos);
  const auto count = [](std::size_t of) {
    return std::string{static_cast<char>(of >> 8U), static_cast<char>(of & 0xffU)};
  };
  const std::string again = count(name.size() + 3) + std::string(1, '\0') + count(name.size()) + name;
  // A second last dot is one that stays, and goes when it is the last.
  require(tls::ServerName(again).view() == (name.ends_with('.') ? name.substr(0, name.size() - 1) : name));
  return 0;
}
