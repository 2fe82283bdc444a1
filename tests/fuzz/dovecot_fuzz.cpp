// SPDX-License-Identifier: Apache-2.0
//
// What a Dovecot says on its authentication socket: nobody is let in but by an OK that names him, bounds hold, and a session in
// any slices is as good as one in a piece.
// Input: all that it sends, from its greeting on.
#include <cstdint>
#include <string>
#include <string_view>

#include "auth/dovecot_client.hpp"
#include "auth/dovecot_protocol.hpp"
#include "base/text.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "event/sim_stream.hpp"
#include "require.hpp"

namespace {

using namespace sealpost;
using namespace sealpost::auth;

void look_at_lines(std::string_view said) {
  DovecotGreeting greeting;
  bool greeted = false;
  for (const std::string_view line : text::split(said, '\n')) {
    if (!greeted) {
      const auto heard = greeting.hear(line);
      if (!heard) greeting = DovecotGreeting();
      greeted = heard && *heard;
    }
    const auto reply = parse_dovecot_reply(line);
    if (!reply || !*reply) continue;
    require(line.size() < longest_dovecot_line);
    require((*reply)->user.size() <= line.size());
    if ((*reply)->kind != DovecotReply::Kind::right) continue;
    require(line.starts_with("OK\t") && !(*reply)->user.empty());
    require(line.find("\tuser=") != line.npos);
  }
}

// Its end of the connection, which says everything at once and hears nothing.
struct Peer {
  std::string_view said;
  std::size_t slice;
  event::SimLoop& loop;
  std::unique_ptr<event::Stream> server;
  event::Task<Expected<std::unique_ptr<event::Stream>>> dial() {
    event::SimLink link;
    link.slice = slice;
    event::SimConnection made(loop, link);
    server = std::move(made.server);
    std::string_view left = said;
    while (!left.empty()) {
      const event::IoResult wrote = server->try_write(left);
      if (wrote.state != event::IoState::done) break;
      left.remove_prefix(wrote.bytes);
    }
    server->close();
    co_return std::move(made.client);
  }
};

std::string answer(std::string_view said, std::size_t slice) {
  event::SimLoop loop;
  Peer peer{said, slice, loop, nullptr};
  DovecotSettings settings;
  settings.dial = [&peer](event::Loop&) { return peer.dial(); };
  DovecotClient client(std::move(settings), nullptr);
  DovecotQuestion question;
  question.plain = std::make_shared<const Secret>(std::string_view("\0anna\0secret", 12));
  const SteadyTime before = loop.now();
  const auto verdict = event::run_until_done(loop, client.ask(loop, std::move(question)));
  require(loop.now() - before <= std::chrono::seconds(20));
  if (!verdict) return "no answer";
  require(!verdict->right || said.find("OK\t1\t") != said.npos);
  return verdict->right ? "right: " + verdict->user : "wrong";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view said(reinterpret_cast<const char*>(data), size);
  if (said.size() > 60'000) return 0;
  look_at_lines(said);
  require(answer(said, SIZE_MAX) == answer(said, 3));
  return 0;
}
