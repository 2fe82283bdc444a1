// SPDX-License-Identifier: Apache-2.0
//
// A server session over a script, with a handler that keeps what it was given.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "event/sim_loop.hpp"
#include "script_stream.hpp"
#include "smtp/server_session.hpp"

namespace sealpost::test {

struct Received {
  Envelope envelope;
  std::string body;
  bool eight_bit = false;
};

class FakeHandler final : public smtp::ServerHandler {
 public:
  bool trusts = true;
  bool named = true;  // may authenticate
  bool stress = false;
  bool speaks_for_others = false;
  std::vector<std::string> introductions;  // "192.0.2.7:4711", "unknown"
  std::optional<smtp::ServerReply> no_place;
  std::optional<smtp::ServerReply> store_error;  // what finish() says
  std::optional<smtp::ServerReply> begin_error;
  std::string_view lose;        // finish() fails for a body that begins so
  std::size_t part = SIZE_MAX;  // ask to settle when the buffer holds this much
  std::optional<smtp::ServerReply> settle_error;
  event::Signal* hold = nullptr;  // finish() waits for it first

  std::vector<Received> received;
  std::vector<std::string> refusals;         // "RCPT 550"
  std::vector<std::string> authentications;  // "PLAIN anna", "PLAIN -anna" for a failure
  std::size_t begun = 0;
  std::size_t dropped = 0;  // messages that were begun and never kept

  bool trusted() const noexcept override { return trusts; }
  bool stressed() const noexcept override { return stress; }
  bool may_authenticate() const noexcept override { return named; }
  void authenticated(const smtp::SessionInfo& session, std::string_view mechanism) noexcept override {
    trusts = true;
    authentications.push_back(std::string(mechanism) + " " + session.account->name);
  }
  void auth_failed(const smtp::SessionInfo&, std::string_view mechanism,
                   const auth::Step& step) noexcept override {
    authentications.push_back(std::string(mechanism) + " -" + step.name);
  }
  bool may_speak_for_others() const noexcept override { return speaks_for_others; }
  std::optional<smtp::ServerReply> introduced(const smtp::SessionInfo& session, bool is_named) override {
    introductions.push_back(is_named ? session.peer.to_string() : "unknown");
    return no_place;
  }
  std::optional<smtp::ServerReply> check_sender(const smtp::SessionInfo&,
                                                const smtp::MailCommand& mail) override {
    if (mail.reverse_path == "full@example.net") return smtp::ServerReply{452, "4.3.1", "full"};
    return std::nullopt;
  }
  std::optional<smtp::ServerReply> check_recipient(const smtp::SessionInfo&, std::string& address) override {
    if (address.starts_with("refused@")) return smtp::ServerReply{550, "5.1.1", "no"};
    return std::nullopt;
  }
  Expected<std::unique_ptr<smtp::IncomingMessage>, smtp::ServerReply> begin(const smtp::SessionInfo&,
                                                                            Envelope envelope,
                                                                            std::uint64_t) override {
    if (begin_error) return *begin_error;
    ++begun;
    return std::unique_ptr<smtp::IncomingMessage>(std::make_unique<Message>(*this, std::move(envelope)));
  }
  void refused(const smtp::SessionInfo&, smtp::Verb verb, const smtp::ServerReply& reply) noexcept override {
    refusals.push_back(std::string(name_of(verb)) + " " + std::to_string(reply.code));
  }
  void tls_failed(const smtp::SessionInfo&, const Error& error) noexcept override {
    refusals.push_back("tls " + std::string(name_of(error.code)));
  }

 private:
  class Message final : public smtp::IncomingMessage {
   public:
    Message(FakeHandler& handler, Envelope envelope) : handler_(handler) {
      got_.envelope = std::move(envelope);
    }
    ~Message() override {
      if (!kept_) ++handler_.dropped;
    }
    std::string& buffer() noexcept override { return buffer_; }
    Progress appended() override {
      return buffer_.size() >= handler_.part ? Progress::settle : Progress::go_on;
    }
    event::Task<Progress> settle() override {
      got_.body += std::exchange(buffer_, {});
      co_return handler_.settle_error ? Progress::refused : Progress::go_on;
    }
    smtp::ServerReply refusal() const noexcept override { return *handler_.settle_error; }
    event::Task<Expected<MessageId, smtp::ServerReply>> finish(bool eight_bit) override {
      if (handler_.hold) co_await handler_.hold->wait();
      if (handler_.store_error) co_return *handler_.store_error;
      if (!handler_.lose.empty() && buffer_.starts_with(handler_.lose))
        co_return smtp::ServerReply{451, "4.3.0", "lost"};
      kept_ = true;
      got_.body += buffer_;
      got_.eight_bit = eight_bit;
      handler_.received.push_back(std::move(got_));
      co_return MessageId();
    }

   private:
    FakeHandler& handler_;
    Received got_;
    std::string buffer_;
    bool kept_ = false;
  };
};

inline event::Task<void> run_to_end(smtp::ServerSession& session) {
  const auto ending = co_await session.run();
  static_cast<void>(ending);
}

// One session. talk() runs it over a whole input to its end; or say() and hear() step by step.
class SessionFixture {
 public:
  event::SimLoop loop;
  Script script;
  FakeHandler handler;
  std::shared_ptr<smtp::ServerOptions> options = make_options();
  std::optional<smtp::ServerSession::Ending> ending;

  static std::shared_ptr<smtp::ServerOptions> make_options() {
    auto made = std::make_shared<smtp::ServerOptions>();
    made->hostname = "relay.example.net";
    return made;
  }

  // The replies to `input`, greeting included, until the session has ended.
  std::string talk(std::string input, std::size_t slice = SIZE_MAX) {
    script.input = std::move(input);
    script.slice = slice;
    script.end = true;
    start();
    loop.run();
    return script.take();
  }

  void start() {
    ending.reset();
    if (!options->strangers) options->strangers = smtp::for_strangers(options->limits);
    if (!options->stressed) options->stressed = smtp::under_stress(options->limits);
    session.emplace(std::make_unique<ScriptStream>(loop, script), options, handler);
    scope.spawn(run());
  }
  // Begins a session that waits for more; gives the greeting.
  std::string open() {
    script.end = false;
    start();
    loop.settle();
    return script.take();
  }
  std::string say(std::string_view input) {
    script.say(input);
    loop.settle();
    return script.take();
  }

  std::optional<smtp::ServerSession> session;
  event::TaskScope scope{loop};

 private:
  event::Task<void> run() {
    const auto how = co_await session->run();
    ending = how;
  }
};

// The codes of replies, one per reply: "220 250 354".
inline std::string codes(std::string_view replies) {
  std::string found;
  while (!replies.empty()) {
    const std::string_view line = replies.substr(0, replies.find("\r\n"));
    if (line.size() >= 4 && line[3] == ' ') {
      if (!found.empty()) found += ' ';
      found += line.substr(0, 3);
    }
    replies.remove_prefix(std::min(replies.size(), line.size() + 2));
  }
  return found;
}

}  // namespace sealpost::test
