// SPDX-License-Identifier: Apache-2.0
//
// The data decoder gives what RFC 5321 §4.5.2 says, octet by octet, whatever the slices (T-21).
// Input: one octet for the slices, the rest is what follows 354.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "smtp/data_decoder.hpp"

namespace {

using State = sealpost::smtp::DataDecoder::State;

struct Decoded {
  State state = State::more;
  std::string content;
  std::size_t consumed = 0;
  bool nul = false, eight_bit = false;
};

Decoded decode(std::string_view input, std::size_t slice) {
  sealpost::smtp::DataDecoder decoder;
  Decoded decoded;
  while (decoded.state == State::more && decoded.consumed < input.size()) {
    const auto result = decoder.decode(input.substr(decoded.consumed, slice), decoded.content);
    decoded.state = result.state;
    decoded.consumed += result.consumed;
  }
  decoded.nul = decoder.nul();
  decoded.eight_bit = decoder.eight_bit();
  return decoded;
}

// The rule without any haste: line by line.
Decoded reference(std::string_view input) {
  Decoded decoded;
  std::string line;
  for (std::size_t i = 0; i < input.size(); ++i) {
    const bool after_cr = !line.empty() && line.back() == '\r';
    if (after_cr != (input[i] == '\n')) {
      decoded.state = after_cr ? State::bare_cr : State::bare_lf;
      decoded.consumed = i;
      return decoded;
    }
    line += input[i];
    if (input[i] != '\n') continue;
    if (line == ".\r\n") {
      decoded.state = State::end;
      decoded.consumed = i + 1;
      return decoded;
    }
    decoded.content += line.front() == '.' ? line.substr(1) : line;
    line.clear();
  }
  decoded.consumed = input.size();
  return decoded;
}

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string input(data + 1, data + size);
  const Decoded expected = reference(input);
  for (const std::size_t slice : {std::size_t(SIZE_MAX), std::size_t(1), std::size_t(1 + data[0] % 40)}) {
    const Decoded decoded = decode(input, slice);
    require(decoded.state == expected.state && decoded.consumed == expected.consumed);
    if (expected.state != State::end) continue;
    require(decoded.content == expected.content);
    require(decoded.nul == (expected.content.find('\0') != std::string::npos));
    bool high = false;
    for (const char c : expected.content) high = high || static_cast<unsigned char>(c) > 127;
    require(decoded.eight_bit == high);
  }
  return 0;
}
