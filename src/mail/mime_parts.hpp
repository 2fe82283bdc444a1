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
  std::string name;  // of the file; may be empty
  std::string octets;
  std::string note;          // what was put up with to decode it; usually empty
  std::string problem;       // not empty: it could not be decoded, and `octets` is the body as it came
  std::string_view message;  // the message it is in, header first: the one given, or one inside it
};

struct MimeBounds {
  std::size_t depth = 8;    // multiparts in multiparts, messages in messages
  std::size_t parts = 100;  // in all; the rest is left out
};

struct MimeParts {
  std::vector<MimePart> parts;  // leaves, in order
  std::size_t left_out = 0;     // further ones, and what is nested too deep
};

// Views into `message`, which outlives them.
MimeParts mime_parts(std::string_view message, const MimeBounds& bounds = {});

// What an mbox begins with, and each message in it (RFC 4155).
inline constexpr std::string_view mbox_line = "From ";
// The messages of an mbox without their From_ lines; views. One begins at the start, or behind an empty line.
std::vector<std::string_view> mbox_messages(std::string_view mbox);

}  // namespace sealpost
