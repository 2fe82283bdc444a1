// SPDX-License-Identifier: Apache-2.0
//
// Lines do not depend on how the bytes were sliced on their way, and no octet is lost or made up.
// Input: one octet for the slices, the rest is what the peer sends.
#include <cstdint>
#include <string>
#include <vector>

#include "event/line_stream.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "event/sim_stream.hpp"
#include "require.hpp"

namespace {

using namespace sealpost;
using namespace sealpost::event;

constexpr std::size_t longest = 512;

struct Seen {
  std::string text;  // what was read, line ends restored
  std::vector<std::size_t> ends;
  Errc why = Errc::invalid;
};

Task<Seen> read_all(LineStream& stream) {
  Seen seen;
  for (;;) {
    auto line = co_await stream.line(longest, std::chrono::minutes(1));
    if (!line) {
      seen.why = line.error().code;
      co_return seen;
    }
    seen.text += line->text;
    seen.text += line->crlf ? "\r\n" : "\n";
    seen.ends.push_back(seen.text.size());
  }
}

Seen read_sliced(std::string_view sent, std::size_t slice, std::uint64_t seed) {
  SimLoop loop;
  SimLink link;
  link.slice = slice;
  link.seed = seed;
  link.window = sent.size() + 1;
  SimConnection connection(loop, link);
  if (!sent.empty()) connection.client->try_write(sent);
  connection.client->close();
  LineStream stream(std::move(connection.server));
  return run_until_done(loop, read_all(stream));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string sent(data + 1, data + size);
  const Seen whole = read_sliced(sent, SIZE_MAX, 1);
  const Seen sliced = read_sliced(sent, 1 + data[0] % 40, data[0]);
  require(whole.text == sliced.text && whole.ends == sliced.ends && whole.why == sliced.why);
  require(sent.starts_with(whole.text));
  require(whole.why == Errc::closed || whole.why == Errc::too_long);
  const std::string_view rest = std::string_view(sent).substr(whole.text.size());
  if (whole.why == Errc::closed) require(rest.find('\n') == std::string_view::npos && rest.size() < longest);
  return 0;
}
