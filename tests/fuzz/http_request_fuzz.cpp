// SPDX-License-Identifier: Apache-2.0
//
// A request to control.http: what is taken names a path and no more, and what is refused has a status and a reason.
// Input: what a client sends.
#include <cstdint>
#include <string_view>

#include "admin/http_request.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealpost;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = admin::http_head_end(input);
  require(end == std::string_view::npos || (end >= 4 && end <= size));
  // As it is called, and on octets that are no whole head.
  for (const std::string_view head : {input.substr(0, end), input}) {
    const auto request = admin::read_http_request(head);
    if (!request) {
      require(request.error().status >= 400 && request.error().status < 600 && !request.error().why.empty());
      continue;
    }
    require(head.size() <= admin::http_head_cap);
    require(request->path.starts_with("/") && request->path.find_first_of("? \r\n") == std::string::npos);
  }
  return 0;
}
