// SPDX-License-Identifier: Apache-2.0
//
// A receiving server for tests of the client: says what the test tells it to, at any step, and writes down what it
// heard. Runs in virtual time over a simulated wire.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "event/line_stream.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "event/sim_stream.hpp"
#include "smtp/client_session.hpp"

namespace sealpost::test {

struct Say {
  enum Then { go_on, hang_up, fall_silent };
  Say(const char* text_, Then then_ = go_on) : text(text_), then(then_) {}             // NOLINT: implicit
  Say(std::string text_, Then then_ = go_on) : text(std::move(text_)), then(then_) {}  // NOLINT: implicit
  std::string text;  // as it goes on the wire, line ends included
  Then then;
  Duration each_octet{};  // drips, when set
};

class ScriptedPeer {
 public:
  // What it says to a verb; "" is the greeting, "." the end of data. In order; the last one stays.
  std::map<std::string, std::deque<Say>> says{
      {"", {"220 mx.test ESMTP\r\n"}},
      {"EHLO", {"250-mx.test\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250-STARTTLS\r\n250 8BITMIME\r\n"}},
      {"HELO", {"250 mx.test\r\n"}},
      {"STARTTLS", {"220 go ahead\r\n"}},
      {"MAIL", {"250 2.1.0 ok\r\n"}},
      {"RCPT", {"250 2.1.5 ok\r\n"}},
      {"DATA", {"354 go ahead\r\n"}},
      {"BDAT", {"250 2.0.0 chunk\r\n"}},  // "." answers the last one, unless this refuses
      {".", {"250 2.0.0 taken as 1\r\n"}},
      {"RSET", {"250 ok\r\n"}},
      {"QUIT", {"221 bye\r\n"}},
  };
  void always(const std::string& verb, Say what) { says[verb] = {std::move(what)}; }

  // Reads message data at most so many octets at a time, so often, when set.
  std::size_t data_step = 0;
  Duration data_pace{};
  std::size_t data_most = SIZE_MAX;  // then it says what it has for "too much", and hangs up

  bool chunks_known = true;  // else what follows BDAT is taken for commands

  std::vector<std::string> heard;  // commands, without line ends
  std::string data;                // what followed each 354, as it came; the octets of chunks
  std::size_t messages = 0;

  event::Task<void> run(std::unique_ptr<event::Stream> stream);
  std::size_t count(std::string_view verb) const;

 private:
  event::Task<bool> read_data(event::LineStream& stream);
  event::Task<bool> read_chunk(event::LineStream& stream, std::string line);
  event::Task<bool> read_slowly(event::Stream& stream);
  event::Task<bool> say(event::LineStream& stream, std::string verb);
};

// TLS that costs nothing and changes nothing: the same stream goes on. Or fails as told.
class PretendedTls final : public tls::Client {
 public:
  std::optional<Error> failure;
  std::size_t handshakes = 0;
  event::Task<Expected<tls::Secured>> handshake(std::unique_ptr<event::Stream> plain,
                                                tls::ClientOptions options, Duration limit) override;
};

class Pieces final : public spool::BodyReader {
 public:
  explicit Pieces(std::vector<std::string> pieces, std::size_t fails_at = SIZE_MAX)
      : pieces_(std::move(pieces)), fails_at_(fails_at) {}
  event::Task<Expected<std::string_view>> next() override;

 private:
  std::vector<std::string> pieces_;
  std::size_t fails_at_;
  std::size_t at_ = 0;
};

std::shared_ptr<spool::StoredMessage> message_to(std::vector<std::string> recipients, std::uint64_t size = 0);

// A client session and its peer on one wire.
struct Talk {
  explicit Talk(event::SimLink link = {});
  // Begins; the script must be ready.
  smtp::SessionResult<smtp::Extensions> open(bool allow_helo = true);
  smtp::SessionResult<SessionFacts> start_tls();
  smtp::TransactionResult send(const spool::StoredMessagePtr& message,
                               std::vector<std::string> body = {"hello\r\n"});
  smtp::TransactionResult send(const spool::StoredMessagePtr& message,
                               std::unique_ptr<spool::BodyReader> body);
  smtp::TransactionResult send_chunks(const spool::StoredMessagePtr& message, std::vector<std::string> body);
  void quit();
  template <class T>
  T run(event::Task<T> task) {
    return event::run_until_done(loop, std::move(task));
  }
  Duration since_start() const { return loop.now() - started; }

  event::SimLoop loop;
  event::SimConnection wire;
  ScriptedPeer peer;
  PretendedTls tls;
  smtp::ClientLimits limits;
  SteadyTime started = loop.now();
  std::optional<smtp::ClientSession> session;
  event::TaskScope scope;
};

}  // namespace sealpost::test
