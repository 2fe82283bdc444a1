// SPDX-License-Identifier: Apache-2.0
#include "scripted_peer.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace sealpost::test {

namespace {
constexpr std::size_t longest_line = 60000;
}

event::Task<bool> ScriptedPeer::say(event::LineStream& stream, std::string verb) {
  auto& lines = says[verb];
  if (lines.empty()) lines.emplace_back("500 what\r\n");
  const Say what = lines.front();
  if (lines.size() > 1) lines.pop_front();
  if (what.each_octet > Duration::zero()) {
    for (const char c : what.text) {
      co_await event::sleep_for(stream.stream().loop(), what.each_octet);
      stream.put({&c, 1});
      auto sent = co_await stream.flush(Duration::max());
      if (!sent) co_return false;
    }
  } else {
    auto sent = co_await stream.send(what.text, Duration::max());
    if (!sent) co_return false;
  }
  if (what.then == Say::hang_up) stream.close();
  if (what.then == Say::fall_silent) co_await event::sleep_until(stream.stream().loop(), SteadyTime::max());
  co_return what.then == Say::go_on;
}

event::Task<bool> ScriptedPeer::read_data(event::LineStream& stream) {
  if (data_step > 0) {
    const bool ended = co_await read_slowly(stream.stream());
    co_return ended;
  }
  for (;;) {
    auto text = co_await stream.line(longest_line, Duration::max());
    if (!text) co_return false;
    data.append(text->text).append(text->crlf ? "\r\n" : "\n");
    if (text->crlf && text->text == ".") co_return true;
  }
}

event::Task<bool> ScriptedPeer::read_slowly(event::Stream& stream) {
  std::vector<char> piece(data_step);
  while (!data.ends_with("\r\n.\r\n")) {
    if (data.size() >= data_most) co_return false;
    co_await event::sleep_for(stream.loop(), data_pace);
    const event::IoResult read = stream.try_read(piece);
    if (read.state == event::IoState::done) data.append(piece.data(), read.bytes);
    if (read.state == event::IoState::closed || read.state == event::IoState::failed) co_return false;
  }
  co_return true;
}

event::Task<bool> ScriptedPeer::read_chunk(event::LineStream& stream, std::string line) {
  std::size_t left = std::stoul(line.substr(5));
  while (left > 0) {
    if (stream.buffered().empty()) {
      auto got = co_await stream.fill(Duration::max());
      if (!got || *got == 0) co_return false;
    }
    const std::size_t some = std::min(left, stream.buffered().size());
    data.append(stream.buffered().substr(0, some));
    stream.consume(some);
    left -= some;
  }
  const bool last = line.ends_with(" LAST");
  if (last) ++messages;
  const bool refused = !says["BDAT"].front().text.starts_with("2");
  const bool more = co_await say(stream, last && !refused ? "." : "BDAT");
  co_return more;
}

event::Task<void> ScriptedPeer::run(std::unique_ptr<event::Stream> plain) {
  event::LineStream stream(std::move(plain));
  bool more = co_await say(stream, "");
  while (more) {
    auto line = co_await stream.line(longest_line, Duration::max());
    if (!line) co_return;
    heard.emplace_back(line->text);
    std::string verb(line->text.substr(0, line->text.find(' ')));
    const bool data_wanted =
        verb == "DATA" && !says[verb].empty() && says[verb].front().text.substr(0, 1) == "3";
    if (verb == "BDAT" && chunks_known) {
      std::string command(line->text);
      more = co_await read_chunk(stream, std::move(command));
      continue;
    }
    more = co_await say(stream, verb);
    if (!data_wanted || !more) continue;
    const bool ended = co_await read_data(stream);
    if (!ended) {
      if (data.size() >= data_most) co_await say(stream, "too much");
      co_return;
    }
    ++messages;
    more = co_await say(stream, ".");
  }
}

std::size_t ScriptedPeer::count(std::string_view verb) const {
  return static_cast<std::size_t>(std::count_if(
      heard.begin(), heard.end(), [&](const std::string& line) { return line.starts_with(verb); }));
}

event::Task<Expected<tls::Secured>> PretendedTls::handshake(std::unique_ptr<event::Stream> plain,
                                                            tls::ClientOptions, Duration) {
  ++handshakes;
  if (failure) co_return *failure;
  HandshakeFacts facts;
  facts.version = TlsVersion::tls1_3;
  facts.cipher = "TLS_AES_256_GCM_SHA384";
  tls::Secured secured(std::move(plain), std::move(facts));
  co_return secured;
}

event::Task<Expected<std::string_view>> Pieces::next() {
  if (at_ == fails_at_) co_return Error(Errc::io, "record damaged");
  if (at_ == pieces_.size()) co_return std::string_view();
  co_return std::string_view(pieces_[at_++]);
}

std::shared_ptr<spool::StoredMessage> message_to(std::vector<std::string> recipients, std::uint64_t size) {
  auto message = std::make_shared<spool::StoredMessage>();
  message->envelope.reverse_path = "sender@source.test";
  for (std::string& recipient : recipients) message->envelope.recipients.emplace_back(std::move(recipient));
  message->size = size;
  return message;
}

Talk::Talk(event::SimLink link) : wire(loop, link), scope(loop) {}

smtp::SessionResult<smtp::Extensions> Talk::open(bool allow_helo) {
  session.emplace(std::move(wire.client), "relay.test", limits);
  scope.spawn(peer.run(std::move(wire.server)));
  return run(session->open(allow_helo));
}

smtp::SessionResult<SessionFacts> Talk::start_tls() {
  return run(session->start_tls(tls, tls::ClientOptions()));
}

smtp::TransactionResult Talk::send(const spool::StoredMessagePtr& message, std::vector<std::string> body) {
  return send(message, std::make_unique<Pieces>(std::move(body)));
}

smtp::TransactionResult Talk::send(const spool::StoredMessagePtr& message,
                                   std::unique_ptr<spool::BodyReader> body) {
  smtp::Transaction transaction;
  transaction.message = message;
  for (std::uint32_t i = 0; i < message->envelope.recipients.size(); ++i) transaction.recipients.push_back(i);
  return run(session->transact(std::move(transaction), std::move(body)));
}

smtp::TransactionResult Talk::send_chunks(const spool::StoredMessagePtr& message,
                                          std::vector<std::string> body) {
  smtp::Transaction transaction;
  transaction.message = message;
  transaction.chunks = true;
  for (std::uint32_t i = 0; i < message->envelope.recipients.size(); ++i) transaction.recipients.push_back(i);
  auto reader = std::make_unique<Pieces>(std::move(body));
  return run(session->transact(std::move(transaction), std::move(reader)));
}

void Talk::quit() { event::run_until_done(loop, session->quit()); }

}  // namespace sealpost::test
