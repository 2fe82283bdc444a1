// SPDX-License-Identifier: Apache-2.0
#include "publishing/item.hpp"

#include <algorithm>

namespace sealpost::publishing {
namespace {

constexpr std::size_t most_string = 255;
constexpr int something_is_wrong = 1, try_again = 75;  // as the commands' exit codes have it (sysexits.h)

std::string quoted(std::string_view text) {
  std::string all;
  do {
    all += all.empty() ? "\"" : " \"";
    for (const char c : text.substr(0, most_string)) {
      if (c == '"' || c == '\\') all += '\\';
      all += c;
    }
    all += '"';
    text.remove_prefix(std::min(text.size(), most_string));
  } while (!text.empty());
  return all;
}

}  // namespace

std::string_view name_of(State state) noexcept {
  switch (state) {
    case State::ok: return "ok";
    case State::differs: return "differs";
    case State::absent: return "absent";
    case State::unknown: return "could not be asked";
  }
  return "";
}

std::vector<std::string> zone_lines(const Item& item) {
  if (item.type == "HTTPS") return item.publish;
  std::vector<std::string> lines;
  for (const std::string& value : item.publish)
    lines.push_back(item.name + ". IN " + item.type + " " + (item.type == "TXT" ? quoted(value) : value));
  return lines;
}

int exit_code_of(const std::vector<Item>& items) noexcept {
  int code = 0;
  for (const Item& item : items) {
    if (item.optional) continue;
    if (item.state == State::differs || item.state == State::absent) return something_is_wrong;
    if (item.state == State::unknown) code = try_again;
  }
  return code;
}

}  // namespace sealpost::publishing
