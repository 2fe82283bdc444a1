// SPDX-License-Identifier: Apache-2.0
#include "auth/plain.hpp"

#include "base/text.hpp"

namespace sealpost::auth {

Expected<PlainMessage> parse_plain(std::string_view message) {
  const std::size_t first = message.find('\0');
  const std::size_t second = first == std::string_view::npos ? first : message.find('\0', first + 1);
  if (second == std::string_view::npos || message.find('\0', second + 1) != std::string_view::npos)
    return Error(Errc::invalid, "PLAIN is not name and password between two NULs");
  if (!text::is_utf8(message)) return Error(Errc::invalid, "PLAIN is not UTF-8");
  PlainMessage plain;
  plain.authorization = message.substr(0, first);
  plain.name = message.substr(first + 1, second - first - 1);
  plain.password = Secret(message.substr(second + 1));
  if (plain.name.empty() || plain.password.empty())
    return Error(Errc::invalid, "PLAIN has no name or no password in it");
  return plain;
}

}  // namespace sealpost::auth
