// SPDX-License-Identifier: Apache-2.0
//
// Screen: while it lives, what is written to standard output fits the terminal and cannot move its cursor, whoever wrote the
// words. Where standard output is no terminal nothing changes. What is there to be copied or kept goes through verbatim().
#pragma once

#include <memory>
#include <ostream>
#include <string_view>

namespace sealpost::cli {

class Screen {
 public:
  Screen();
  explicit Screen(std::size_t width);  // 0: none
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

 private:
  class Lines;
  std::unique_ptr<Lines> lines_;
};

// Standard output as it is, behind what was written to the screen before.
std::ostream& verbatim();
// The octets of a message or a file. Cleaned for a terminal, as they are for anything else.
void show_octets(std::string_view octets);

}  // namespace sealpost::cli
