// SPDX-License-Identifier: Apache-2.0
#include "receiver.hpp"

#include <array>

#include "base/text.hpp"

namespace sealpost::sim {

namespace {

using namespace std::chrono_literals;

constexpr auto patience = 6min;
constexpr auto silence = 2h;    // longer than any limit of the relay
constexpr auto under_way = 2s;  // what was begun before

std::string address_in(const std::string& line) {
  const auto from = line.find('<'), to = line.find('>');
  return from == std::string::npos || to == std::string::npos ? std::string()
                                                              : line.substr(from + 1, to - from - 1);
}

}  // namespace

struct Receiver::Session {
  Session(std::unique_ptr<event::Stream> stream, event::SimWire& wire_)
      : lines(std::move(stream)), wire(wire_) {}
  event::LineStream lines;
  event::SimWire& wire;  // lives as long as the stream, sealed or not
  bool encrypted = false;
  SteadyTime
      line_sent{};  // when the command came; zero when it had been waiting for us, we do not know how long
  std::string reverse_path;
  std::vector<std::string> recipients;
  std::vector<std::size_t> unacknowledged;
  unsigned taken = 0;  // messages
  bool has_sender = false;
  SteadyTime mail_came{};  // the MAIL command; zero as above
  std::string_view busy_at;

  void reply(std::string_view text) {
    lines.put(text);
    lines.put("\r\n");
  }
};

Receiver::Receiver(World& world, Host& host, Ledger& ledger)
    : world_(world), host_(host), ledger_(ledger), rng_(world.rng.fork()), scope_(world.loop) {
  world.network.listen(
      host.at, [this](std::unique_ptr<event::Stream> stream) { scope_.spawn(converse(std::move(stream))); });
}

event::Task<void> Receiver::converse(std::unique_ptr<event::Stream> stream) {
  event::SimWire& wire = static_cast<event::SimStream&>(*stream).wire();
  Session session(std::move(stream), wire);
  constexpr std::array<std::string_view, 4> stages = {"ehlo", "mail", "rcpt", "data"};
  if (host_.busy) session.busy_at = stages[rng_.below(stages.size())];
  struct Counted {
    explicit Counted(unsigned& count_) : count(count_) { ++count; }
    ~Counted() { --count; }
    unsigned& count;
  };
  const bool full = host_.most_open > 0 && open_ >= host_.most_open;
  const Counted counted(open_);
  if (full) {
    session.reply("421 " + std::string(World::crowd));
    auto said = co_await session.lines.flush(patience);
    static_cast<void>(said);
    co_return;
  }
  if (rng_.chance(world_.temper.turn_away)) {
    session.reply("421 " + host_.name + " too busy");
    auto said = co_await session.lines.flush(patience);
    static_cast<void>(said);
    co_return;
  }
  // Long enough for its policy to change under an attempt (T-15).
  if (host_.name.ends_with(World::turning)) co_await event::sleep_for(world_.loop, rng_.time(5s, 1min));
  session.reply("220 " + host_.name + " ESMTP");
  for (;;) {
    event::Line line;
    session.line_sent = SteadyTime{};
    if (!session.lines.buffered_line(line, 4096)) {
      auto sent = co_await session.lines.flush(patience);
      if (!sent) co_return;
      const SteadyTime listening = world_.loop.now();
      auto next = co_await session.lines.line(4096, patience);
      if (!next) co_return;
      line = *next;
      if (world_.loop.now() > listening) session.line_sent = world_.loop.now();
    }
    for (const std::size_t delivery : session.unacknowledged) ledger_.acknowledged(delivery);
    session.unacknowledged.clear();
    const std::string text(line.text);
    const bool stays = co_await mood(session);
    if (!stays) co_return;
    const bool goes_on = co_await command(session, text);
    if (!goes_on) co_return;
  }
}

// What may happen at any command. False: the session is over.
event::Task<bool> Receiver::mood(Session& session) {
  const Temper& temper = world_.temper;
  if (rng_.chance(temper.hang_up)) co_return false;
  if (rng_.chance(temper.reset)) {
    session.wire.cut();
    co_return false;
  }
  if (rng_.chance(temper.go_silent)) {
    co_await event::sleep_for(world_.loop, silence);
    co_return false;
  }
  if (rng_.chance(temper.slow)) co_await event::sleep_for(world_.loop, rng_.time(10s, 4min));
  co_return true;
}

event::Task<bool> Receiver::command(Session& session, const std::string& line) {
  const std::string verb = text::lower(std::string_view(line).substr(0, 4));
  if (says_busy(session, verb)) co_return true;
  if (verb == "ehlo" || verb == "helo") {
    session.reverse_path.clear();
    session.has_sender = false;
    session.recipients.clear();
    session.reply("250-" + host_.name);
    if (host_.starttls && !session.encrypted) session.reply("250-STARTTLS");
    session.reply("250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 20000000");
  } else if (verb == "star") {
    const bool sealed = co_await start_tls(session);
    co_return sealed;
  } else if (verb == "mail") {
    if (host_.session_limit > 0 && session.taken >= host_.session_limit) {
      session.reply("421 " + std::string(World::enough));
      auto said = co_await session.lines.flush(patience);
      static_cast<void>(said);
      co_return false;
    }
    if (host_.demands_tls && !session.encrypted) {
      session.reply("530 5.7.0 Must issue a STARTTLS command first");
      co_return true;
    }
    session.mail_came = session.line_sent;
    session.has_sender = true;
    session.reverse_path = address_in(line);
    if (const auto since = world_.journal_stopped;
        since && !world_.recording() && session.line_sent > *since + under_way)
      ledger_.violated(host_.name + " was offered mail although no outcome could be recorded (D-07)");
    if (session.reverse_path == World::poison) {
      world_.on_poison();
      co_await event::sleep_for(world_.loop, silence);
      co_return false;
    }
    session.recipients.clear();
    session.reply("250 2.1.0 ok");
  } else if (verb == "rcpt") {
    recipient(session, line);
  } else if (verb == "data") {
    if (session.recipients.empty()) {
      session.reply("554 5.5.1 no valid recipients");
      co_return true;
    }
    const bool received = co_await receive(session);
    co_return received;
  } else if (verb == "quit") {
    session.reply("221 2.0.0 bye");
    auto sent = co_await session.lines.flush(patience);
    static_cast<void>(sent);
    session.lines.close();
    co_return false;
  } else if (verb == "rset" || verb == "noop") {
    session.reply("250 2.0.0 ok");
  } else {
    ledger_.violated(host_.name + " was sent the command " + text::printable(line, 60));
    co_return false;
  }
  co_return true;
}

event::Task<bool> Receiver::start_tls(Session& session) {
  session.reply("220 2.0.0 go ahead");
  auto sent = co_await session.lines.flush(patience);
  if (!sent || !session.lines.quiet()) co_return false;
  std::optional<Certificate> certificate;
  if (host_.handshakes) certificate = host_.shown;
  auto sealed = co_await accept_scripted(session.lines.take_stream(), certificate, 2min);
  if (!sealed) co_return false;
  session.lines.set_stream(std::move(sealed));
  session.encrypted = true;
  co_return true;
}

bool Receiver::says_busy(Session& session, std::string_view verb) {
  if (session.busy_at.empty() || (verb != session.busy_at && !(verb == "helo" && session.busy_at == "ehlo")))
    return false;
  session.reply("451 4.3.2 busy, ask another host");
  return true;
}

void Receiver::recipient(Session& session, const std::string& line) {
  const std::string address = address_in(line);
  const Domain* domain = world_.domain_of(address);
  if (!session.has_sender) return session.reply("503 5.5.1 MAIL first");
  if (!domain) return session.reply("550 5.7.1 relaying denied");
  const bool begun_before = domain->turned && session.mail_came <= *domain->turned + under_way;
  if (const std::string why = World::forbidden(*domain, host_, session.encrypted);
      !why.empty() && !begun_before)
    ledger_.violated("mail for " + address + " was offered to " + host_.name + ": " + why);
  if (domain->policy != Policy::none && domain->policy != Policy::sts_testing) ledger_.count_enforced();
  if (domain->hopeless) return session.reply("451 4.3.0 come back another year");
  if (address.starts_with("nobody")) return session.reply("550 5.1.1 no such user");
  if (rng_.chance(world_.temper.defer)) return session.reply("450 4.2.1 mailbox busy");
  if (domain->greylists && seen_.insert(session.reverse_path + " " + address).second)
    return session.reply("451 4.7.1 greylisted");
  if (session.recipients.size() >= 20) return session.reply("452 4.5.3 too many recipients");
  session.recipients.push_back(address);
  session.reply("250 2.1.5 ok");
}

event::Task<bool> Receiver::receive(Session& session) {
  session.reply("354 go ahead");
  auto sent = co_await session.lines.flush(patience);
  if (!sent) co_return false;
  std::string text;
  for (;;) {
    event::Line line;
    if (!session.lines.buffered_line(line, 65536)) {
      auto next = co_await session.lines.line(65536, patience);
      if (!next) co_return false;
      line = *next;
    }
    if (!line.crlf) ledger_.violated(host_.name + " was sent a bare LF (T-22)");
    if (line.text == ".") break;
    text += line.text.starts_with('.') ? line.text.substr(1) : line.text;
    text += "\r\n";
  }
  if (rng_.chance(world_.temper.close_at_dot)) {
    if (rng_.chance(0.5)) session.wire.cut();
    co_return false;
  }
  session.reply(verdict(session, text));
  session.recipients.clear();
  session.has_sender = false;
  if (session.unacknowledged.empty()) co_return true;
  if (rng_.chance(world_.temper.slow)) co_await event::sleep_for(world_.loop, rng_.time(1min, 15min));
  for (const std::size_t delivery : session.unacknowledged) ledger_.told(delivery, world_.loop.now());
  if (!rng_.chance(world_.temper.lose_reply)) co_return true;
  if (rng_.chance(0.5)) session.wire.cut();
  co_return false;
}

// The reply to the final dot.
std::string Receiver::verdict(Session& session, const std::string& text) {
  if (rng_.chance(world_.temper.defer)) return "451 4.3.0 try again later";
  const bool notice = session.reverse_path.empty();
  if (rng_.chance(world_.temper.defer / 10)) {
    if (!notice)
      for (const std::string& address : session.recipients)
        session.unacknowledged.push_back(ledger_.refused(address, text, world_.loop.now()));
    return "554 5.6.0 this content is not wanted";
  }
  ++session.taken;
  if (notice) look_at_notice(text);
  for (const std::string& address : session.recipients) {
    session.unacknowledged.push_back(notice ? ledger_.notified(address, text, world_.loop.now())
                                            : ledger_.took(address, text, world_.loop.now()));
  }
  return "250 2.0.0 taken";
}

// What can be delivered sooner or later comes back only when a host refused it for good.
void Receiver::look_at_notice(const std::string& text) {
  if (text.find("this content is not wanted") != text.npos) return;
  for (const std::string& address : Ledger::failed_recipients(text)) {
    const Domain* domain = world_.domain_of(address);
    if (domain && domain->patient && !address.starts_with("nobody"))
      ledger_.violated("mail for " + address +
                       " came back although a host would have taken it (RFC 5321 §5.1)");
  }
}

}  // namespace sealpost::sim
