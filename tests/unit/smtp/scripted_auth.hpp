// SPDX-License-Identifier: Apache-2.0
//
// An authenticator that knows one user, and does on command what a real one may do: be slow, be away, have enough.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/authenticator.hpp"
#include "event/wait.hpp"

namespace sealpost::test {

class ScriptedAuthenticator final : public auth::Authenticator {
 public:
  ScriptedAuthenticator() {
    account->name = "anna";
    account->senders = {"anna@home.example", "@anna.example"};
  }
  std::shared_ptr<auth::Account> account = std::make_shared<auth::Account>();
  std::optional<auth::Step::Kind> outcome;  // instead of looking at the password
  event::Signal* hold = nullptr;            // a step waits for it first
  unsigned allowance = 1000;                // messages
  mutable std::vector<auth::Channel> channels;
  unsigned open = 0;  // exchanges
  std::vector<std::string> heard;

  std::vector<std::string_view> mechanisms(const auth::Channel& channel) const override {
    channels.push_back(channel);
    if (!channel.encrypted) return {};
    return {"TALK", "PLAIN", "LOGIN"};
  }
  std::unique_ptr<auth::Exchange> begin(event::Loop&, std::string_view mechanism,
                                        const auth::Channel& channel) override {
    if (!channel.encrypted) return nullptr;
    if (mechanism == "PLAIN") return std::make_unique<Plain>(*this);
    if (mechanism == "LOGIN") return std::make_unique<Login>(*this);
    if (mechanism == "TALK") return std::make_unique<Talk>(*this);
    return nullptr;
  }
  bool take_message(const auth::Account&, std::uint32_t) override { return allowance > 0 && allowance-- > 0; }

 private:
  class Counted : public auth::Exchange {
   public:
    explicit Counted(ScriptedAuthenticator& of) : of_(of) { ++of_.open; }
    ~Counted() override { --of_.open; }

   protected:
    static auth::Step made(auth::Step::Kind kind, std::string text = {}) {
      auth::Step step;
      step.kind = kind;
      step.text = std::move(text);
      return step;
    }
    auth::Step judge(const std::string& name, const std::string& password) {
      auth::Step step = made(auth::Step::Kind::refused);
      step.name = name;
      step.why = "no such password";
      if (name == "anna" && password == "pencil") step = made(auth::Step::Kind::accepted);
      if (of_.outcome) step.kind = *of_.outcome;
      if (step.kind == auth::Step::Kind::accepted) step.account = of_.account;
      return step;
    }
    ScriptedAuthenticator& of_;
  };

  class Plain final : public Counted {
   public:
    using Counted::Counted;
    bool client_first() const noexcept override { return true; }
    event::Task<auth::Step> step(std::string message) override {
      of_.heard.push_back(message);
      if (of_.hold) co_await of_.hold->wait();
      const auto first = message.find('\0'), second = message.find('\0', first + 1);
      if (first != 0 || second == std::string::npos) co_return made(auth::Step::Kind::malformed);
      co_return judge(message.substr(1, second - 1), message.substr(second + 1));
    }
  };

  class Login final : public Counted {
   public:
    using Counted::Counted;
    bool client_first() const noexcept override { return false; }
    event::Task<auth::Step> step(std::string message) override {
      of_.heard.push_back(message);
      if (message.empty() && !asked_) {
        asked_ = true;
        co_return made(auth::Step::Kind::challenge, "Username:");
      }
      asked_ = true;
      if (!name_) {
        name_ = std::move(message);
        co_return made(auth::Step::Kind::challenge, "Password:");
      }
      co_return judge(*name_, message);
    }

   private:
    bool asked_ = false;
    std::optional<std::string> name_;
  };

  // Has a last word, as SCRAM has; "again" is answered with a further challenge, for ever.
  class Talk final : public Counted {
   public:
    using Counted::Counted;
    bool client_first() const noexcept override { return true; }
    event::Task<auth::Step> step(std::string message) override {
      if (message == "again") co_return made(auth::Step::Kind::challenge, "and?");
      auth::Step step = judge("anna", message);
      if (step.kind == auth::Step::Kind::accepted) step.text = "v=proof";
      co_return step;
    }
  };
};

}  // namespace sealpost::test
