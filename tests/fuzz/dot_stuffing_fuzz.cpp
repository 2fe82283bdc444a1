// SPDX-License-Identifier: Apache-2.0
//
// A body, stuffed and read back (T-22): the strict reader gets it with every line end made CRLF, a reader that takes
// CR and LF for line ends too sees one message, and the pieces it came in change nothing.
// Input: one octet for the pieces, the rest is the body.
#include <cstdint>
#include <string>
#include <string_view>

#include "require.hpp"
#include "smtp/data_decoder.hpp"
#include "smtp/dot_stuffing.hpp"

namespace {

using namespace sealpost::smtp;

std::string stuffed(std::string_view body, std::size_t piece) {
  DotStuffer stuffer;
  std::string out;
  for (std::size_t at = 0; at < body.size(); at += piece) stuffer.append(body.substr(at, piece), out);
  return out.append(stuffer.finish());
}

std::string normal(std::string_view body) {
  std::string out;
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '\r' && body[i] != '\n') {
      out += body[i];
      continue;
    }
    if (body[i] == '\r' && i + 1 < body.size() && body[i + 1] == '\n') ++i;
    out += "\r\n";
  }
  if (!out.empty() && !out.ends_with("\r\n")) out += "\r\n";
  return out;
}

// How often a line of a single dot ends, for a reader to whom CR, LF and CRLF are the same.
std::size_t lone_dots(std::string_view wire) {
  std::size_t dots = 0;
  std::string line;
  for (const char c : wire) {
    if (c != '\r' && c != '\n') {
      line += c;
      continue;
    }
    dots += line == "." ? 1U : 0U;
    line.clear();
  }
  return dots;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string body(data + 1, data + size);
  const std::string wire = stuffed(body, body.size() + 1);
  require(stuffed(body, std::size_t{1} + data[0]) == wire);
  require(lone_dots(wire) == 1);
  DataDecoder decoder;
  std::string decoded;
  const auto result = decoder.decode(wire, decoded);
  require(result.state == DataDecoder::State::end && result.consumed == wire.size());
  require(decoded == normal(body));
  return 0;
}
