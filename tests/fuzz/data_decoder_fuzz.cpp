// SPDX-License-Identifier: Apache-2.0
//
// The data decoder gives what RFC 5321 §4.5.2 says, octet by octet, whatever the slices (T-21): with bare LF refused and
// normalized, after DATA and in the chunks of BDAT, of binary mail as far as it has lines. Input: one octet for the slices and the mode, the rest is what
// follows 354, or is counted.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "require.hpp"
#include "smtp/data_decoder.hpp"

namespace {

using namespace sealpost::smtp;
using State = DataDecoder::State;
using Framing = DataDecoder::Framing;

struct Decoded {
  State state = State::more;
  std::string content;
  std::size_t consumed = 0;
  bool nul = false, eight_bit = false, eight_bit_header = false;
  std::uint64_t longest = 0;
};

Decoded decode(std::string_view input, std::size_t slice, BareNewline bare, Framing framing) {
  DataDecoder decoder(bare, framing);
  Decoded decoded;
  while (decoded.state == State::more && decoded.consumed < input.size()) {
    const auto result = decoder.decode(input.substr(decoded.consumed, slice), decoded.content);
    decoded.state = result.state;
    decoded.consumed += result.consumed;
  }
  if (framing != Framing::final_dot && decoded.state == State::more)
    decoded.state = decoder.finish(decoded.content);
  decoded.nul = decoder.nul();
  decoded.eight_bit = decoder.eight_bit();
  decoded.eight_bit_header = decoder.eight_bit_header();
  decoded.longest = decoder.longest_line();
  return decoded;
}

// Binary mail: the header is lines, what follows is octets, and both come in slices.
void check_binary(const std::string& input, std::size_t slice, BareNewline bare) {
  const Decoded expected = decode(input, SIZE_MAX, bare, Framing::binary);
  for (const std::size_t each : {std::size_t(1), slice}) {
    const Decoded decoded = decode(input, each, bare, Framing::binary);
    require(decoded.state == expected.state && decoded.consumed == expected.consumed);
    if (expected.state != State::end) continue;
    require(decoded.nul == expected.nul && decoded.longest == expected.longest);
    require(decoded.content == expected.content);
  }
  if (bare == BareNewline::normalize || expected.state != State::end) return;
  const std::size_t head = ("\r\n" + input).find("\r\n\r\n");
  if (head != std::string::npos) require(expected.content == input);
  require(expected.nul == (input.substr(0, head).find('\0') != std::string::npos));
}

// The rule without any haste: line by line.
Decoded reference(std::string_view input, BareNewline bare, Framing framing) {
  Decoded decoded;
  std::string line;
  bool behind_crlf = true;
  for (std::size_t i = 0; i < input.size(); ++i) {
    const bool after_cr = !line.empty() && line.back() == '\r';
    if ((after_cr && input[i] != '\n') || (!after_cr && input[i] == '\n' && bare == BareNewline::reject)) {
      decoded.state = after_cr ? State::bare_cr : State::bare_lf;
      decoded.consumed = i;
      return decoded;
    }
    line += input[i];
    if (input[i] != '\n') continue;
    if (line == ".\r\n" && behind_crlf && framing == Framing::final_dot) {
      decoded.state = State::end;
      decoded.consumed = i + 1;
      return decoded;
    }
    line.resize(line.size() - (after_cr ? 2 : 1));
    decoded.content += line.starts_with('.') && framing == Framing::final_dot ? line.substr(1) : line;
    decoded.content += "\r\n";
    line.clear();
    behind_crlf = after_cr;
  }
  decoded.consumed = input.size();
  if (framing == Framing::final_dot) return decoded;
  decoded.state = line.ends_with('\r') ? State::bare_cr : State::end;
  if (!line.empty()) decoded.content += line + "\r\n";
  return decoded;
}

bool high(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) > 127; });
}

void check(const std::string& input, std::size_t slice, BareNewline bare, Framing framing) {
  const Decoded expected = reference(input, bare, framing);
  for (const std::size_t each : {std::size_t(SIZE_MAX), std::size_t(1), slice}) {
    const Decoded decoded = decode(input, each, bare, framing);
    require(decoded.state == expected.state && decoded.consumed == expected.consumed);
    if (expected.state != State::end) continue;
    require(decoded.content == expected.content);
    require(decoded.nul == (expected.content.find('\0') != std::string::npos));
    require(decoded.eight_bit == high(expected.content));
    const std::size_t body = ("\r\n" + expected.content).find("\r\n\r\n");
    require(decoded.eight_bit_header == high(std::string_view(expected.content).substr(0, body)));
    std::size_t longest = 0;
    for (std::size_t at = 0; at < expected.content.size();) {
      const std::size_t end = expected.content.find("\r\n", at);
      longest = std::max(longest, end - at);
      at = end + 2;
    }
    require(decoded.longest == longest);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string input(data + 1, data + size);
  for (const BareNewline bare : {BareNewline::reject, BareNewline::normalize})
    for (const Framing framing : {Framing::final_dot, Framing::counted})
      check(input, 1 + data[0] % 40, bare, framing);
  for (const BareNewline bare : {BareNewline::reject, BareNewline::normalize})
    check_binary(input, 1 + data[0] % 40, bare);
  return 0;
}
