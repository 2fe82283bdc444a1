// SPDX-License-Identifier: Apache-2.0
#include "client.hpp"

namespace sealpost::sim {

namespace {

using namespace std::chrono_literals;
constexpr auto patience = 15min;

bool positive(const std::string& reply) { return reply.starts_with('2') || reply.starts_with('3'); }

std::string random_lines(Rng& rng, std::size_t octets) {
  constexpr std::string_view alphabet = "abcdefghij klmnopqrstuvwxyz.ABCDEFGHIJ=0123456789";
  std::string text;
  while (text.size() < octets) {
    if (rng.chance(0.1)) text += '.';  // to be stuffed
    for (std::uint64_t i = rng.below(76); i > 0; --i) text += alphabet[rng.below(alphabet.size())];
    text += "\r\n";
  }
  return text;
}

std::string stuffed(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at) + 1;
    if (text[at] == '.') out += '.';
    out += text.substr(at, end - at);
    at = end;
  }
  return out + ".\r\n";
}

}  // namespace

struct Clients::Message {
  std::string token, sender, content;
  std::vector<std::string> recipients;
};

Clients::Clients(World& world, Ledger& ledger, Endpoint relay)
    : world_(world), ledger_(ledger), relay_(relay), rng_(world.rng.fork()), scope_(world.loop) {}

void Clients::begin(std::uint64_t messages) { scope_.spawn(session(messages)); }

void Clients::begin_poison() {
  poison_ = true;
  begin(1);
}

Clients::Message Clients::make_message() {
  Message message;
  // Some senders are gone: what bounces to them must end in the queue, held (T-36).
  message.sender =
      (rng_.chance(0.02) ? "nobody" : "user") + std::to_string(rng_.below(30)) + "@" + World::origin;
  const std::uint64_t wanted = rng_.chance(0.8) ? 1 : rng_.between(2, 40);
  std::set<std::string> recipients;
  while (recipients.size() < wanted) {
    const Domain& domain = rng_.pick(world_.domains);
    const std::string local = (rng_.chance(0.04) ? "nobody" : "user") + std::to_string(rng_.below(60));
    recipients.insert(local + "@" + domain.name);
  }
  if (std::exchange(poison_, false)) {
    message.sender = World::poison;
    recipients = {std::string("user0@") + World::origin};
  }
  message.recipients.assign(recipients.begin(), recipients.end());
  message.token = ledger_.open(message.sender, message.recipients);
  const std::size_t octets = rng_.chance(0.9) ? rng_.below(3000) : rng_.chance(0.8) ? 30'000 : 700'000;
  message.content = "X-Token: " + message.token + "\r\nFrom: " + message.sender + "\r\nMessage-ID: <" +
                    message.token + "@" + World::origin + ">\r\nSubject: simulated\r\n\r\n" +
                    random_lines(rng_, octets);
  ledger_.content(message.token, message.content);
  return message;
}

// A whole reply, "" when the session is over.
event::Task<std::string> Clients::reply(event::LineStream& lines) {
  auto sent = co_await lines.flush(patience);
  if (!sent) co_return std::string();
  for (;;) {
    auto line = co_await lines.line(4096, patience);
    if (!line) co_return std::string();
    if (line->text.size() < 4 || line->text[3] != '-') co_return std::string(line->text);
  }
}

event::Task<void> Clients::session(std::uint64_t messages) {
  auto stream = co_await world_.inside.connect(relay_, 1min);
  if (!stream) co_return;
  event::LineStream lines(std::move(*stream));
  std::string said = co_await reply(lines);
  if (!positive(said)) co_return;
  lines.put("EHLO client.origin.example\r\n");
  said = co_await reply(lines);
  if (!positive(said)) co_return;
  for (; messages > 0; --messages) {
    const Message message = make_message();
    const bool goes_on = co_await send(lines, message);
    if (!goes_on) co_return;
    if (rng_.chance(0.2)) co_await event::sleep_for(world_.loop, rng_.time(1s, 2min));
  }
  lines.put("QUIT\r\n");
  said = co_await reply(lines);
}

// MAIL and RCPT, one by one or in one packet. `wanted`: some recipient was accepted. False: the session is over.
event::Task<bool> Clients::send_envelope(event::LineStream& lines, const Message& message, bool& wanted) {
  const bool pipelined = rng_.chance(0.5);
  lines.put("MAIL FROM:<" + message.sender + "> SIZE=" + std::to_string(message.content.size()) + "\r\n");
  std::string said;
  if (!pipelined) {
    said = co_await reply(lines);
    if (said.empty()) co_return false;
    if (!positive(said)) co_return true;
  }
  for (const std::string& recipient : message.recipients) {
    lines.put("RCPT TO:<" + recipient + ">\r\n");
    if (pipelined) continue;
    said = co_await reply(lines);
    if (said.empty()) co_return false;
    if (positive(said))
      wanted = true;
    else
      ledger_.recipient_refused(message.token, recipient);
  }
  if (!pipelined) co_return true;
  said = co_await reply(lines);
  if (said.empty()) co_return false;
  const bool mail_accepted = positive(said);
  for (const std::string& recipient : message.recipients) {
    said = co_await reply(lines);
    if (said.empty()) co_return false;
    if (mail_accepted && positive(said))
      wanted = true;
    else
      ledger_.recipient_refused(message.token, recipient);
  }
  co_return true;
}

event::Task<bool> Clients::send(event::LineStream& lines, const Message& message) {
  bool wanted = false;
  const bool alive = co_await send_envelope(lines, message, wanted);
  if (!alive || rng_.chance(break_off_)) co_return false;
  std::string said;
  if (!wanted) {
    ledger_.answered(message.token, Answer::refused, world_.loop.now());
    lines.put("RSET\r\n");
    said = co_await reply(lines);
    co_return positive(said);
  }
  lines.put("DATA\r\n");
  said = co_await reply(lines);
  if (said.empty()) co_return false;
  if (!said.starts_with("354")) {
    ledger_.answered(message.token, Answer::refused, world_.loop.now(), said);
    co_return true;
  }
  std::string data = stuffed(message.content);
  if (rng_.chance(break_off_)) {
    data.resize(rng_.below(data.size() - 3));
    auto sent = co_await lines.send(data, patience);
    static_cast<void>(sent);
    co_return false;
  }
  ledger_.answered(message.token, Answer::unknown, world_.loop.now());
  auto sent = co_await lines.send(data, patience);
  if (!sent || rng_.chance(break_off_)) co_return false;  // whether or not it was kept (D-09)
  said = co_await reply(lines);
  if (said.empty()) co_return false;
  ledger_.answered(message.token, positive(said) ? Answer::accepted : Answer::refused, world_.loop.now(),
                   said);
  co_return true;
}

}  // namespace sealpost::sim
