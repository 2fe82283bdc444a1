// SPDX-License-Identifier: Apache-2.0
//
// The parts of a message (RFC 2045, RFC 2046), decoded: for reading what was sent to us on purpose, such as a report.
// Tolerant and bounded; nothing of it is used on mail in transit. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sealpost {

struct MimePart {
  std::string type;  // lower case, without parameters; "text/plain" when nothing is said
  std::string name;  // of the file, as sent; may be empty
  std::string octets;
};

struct MimeBounds {
  std::size_t depth = 8;    // multiparts in multiparts, messages in messages
  std::size_t parts = 100;  // in all; the rest is left out
};

// Leaves in order. A part whose encoding is broken or unknown is left out.
std::vector<MimePart> mime_parts(std::string_view message, const MimeBounds& bounds = {});

}  // namespace sealpost
