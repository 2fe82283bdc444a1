// SPDX-License-Identifier: Apache-2.0
//
// What stands around every page: head, links, who is logged in. And the page to log in.
#pragma once

#include <string>
#include <string_view>

#include "web/page.hpp"

namespace sealpost::web {

struct Around {
  Around() = default;
  std::string hostname;
  std::string path;  // of the page
  std::string note;  // to be shown above it
  const Session* session = nullptr;
};
std::string whole_page(const Around& around, Reply reply);
std::string login_page(std::string_view words, const std::string& next);

}  // namespace sealpost::web
