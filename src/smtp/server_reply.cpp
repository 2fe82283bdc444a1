// SPDX-License-Identifier: Apache-2.0
#include "smtp/server_reply.hpp"

namespace sealpost::smtp {

std::string ServerReply::to_line() const {
  std::string line = std::to_string(code);
  line += ' ';
  if (!status.empty()) line.append(status).append(" ");
  return line.append(text).append("\r\n");
}

}  // namespace sealpost::smtp
