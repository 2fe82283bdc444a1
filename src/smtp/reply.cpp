// SPDX-License-Identifier: Apache-2.0
#include "smtp/reply.hpp"

namespace sealpost::smtp {

namespace {
constexpr std::size_t longest_text = 1024;  // for logs and reports
}

std::string EnhancedStatus::to_string() const {
  return std::to_string(klass) + '.' + std::to_string(subject) + '.' + std::to_string(detail);
}

std::string Reply::to_string() const {
  std::string text = std::to_string(code);
  if (enhanced) text.append(" ").append(status.to_string());
  for (const std::string& line : lines) {
    if (!line.empty()) text.append(" ").append(line);
    if (text.size() > longest_text) {
      text.resize(longest_text - 3);
      return text.append("...");
    }
  }
  return text;
}

}  // namespace sealpost::smtp
