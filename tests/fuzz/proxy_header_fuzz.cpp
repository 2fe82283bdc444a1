// SPDX-License-Identifier: Apache-2.0
//
// The header of the PROXY protocol: read piece by piece it never takes an octet behind itself, has an end, and a client
// it names can be named again. Input: what a proxy sends.
#include <cstdint>
#include <string>
#include <string_view>

#include "intake/proxy_header.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealpost;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  std::size_t have = 0;
  for (;;) {
    const auto header = intake::read_proxy_header(input.substr(0, have));
    if (!header) return 0;
    if (header->wanted == 0) {
      require(have >= 15 && have <= intake::proxy_header_cap);
      if (header->client) {
        for (const Endpoint& end : {header->client->peer, header->client->local})
          require(Endpoint::parse(end.to_string()) == end);
      }
      return 0;
    }
    require(have + header->wanted <= intake::proxy_header_cap);
    if (have + header->wanted > size) return 0;
    have += header->wanted;
  }
}
