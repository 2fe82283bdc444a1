// SPDX-License-Identifier: Apache-2.0
//
// Files that say what mail must meet (configuration, partner files), read whole or not at all. What is empty, gone, no
// file, or written while it is read is an error that says what to do: never a file with nothing in it, because fewer
// rules would let mail go that they held back.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sealpost/clock.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::app {

// One file as it was read: enough to know later which text it was, whose, and whether it is still the same.
struct SourceFile {
  std::string path;
  std::string sha256;  // of its text, hex
  std::uint32_t owner = 0;
  SystemTime modified{};
  std::uint64_t device = 0, inode = 0, size = 0;
  bool operator==(const SourceFile&) const = default;
};
using SourceFiles = std::vector<SourceFile>;

struct WholeFile {
  std::string text;
  SourceFile source;
};

constexpr std::uint64_t longest_rule_text = 16U << 20;  // octets of one file

// The error's detail names the trouble and the remedy, not the path. Links are followed; what they lead to must be a
// regular file that stays the same while it is read. A moment's change is waited out by reading again, three times.
Expected<WholeFile> read_whole_file(const std::string& path, std::uint64_t longest = longest_rule_text);

// Are these files, by their stamps, still as they were read? For a reload that waits until nobody writes any more.
bool still_the_same(const SourceFiles& files);

}  // namespace sealpost::app
