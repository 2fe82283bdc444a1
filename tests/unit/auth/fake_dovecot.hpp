// SPDX-License-Identifier: Apache-2.0
//
// The other end of Dovecot's authentication socket, on the test's loop: right, wrong, slow, gone or talking nonsense, on command.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "auth/dovecot_client.hpp"
#include "base/text.hpp"
#include "event/line_stream.hpp"
#include "event/sim_stream.hpp"
#include "event/wait.hpp"

namespace sealpost::auth::test {

struct FakeDovecot {
  enum class Mood : std::uint8_t { well, refuses, silent, leaves, temporary };
  DovecotSettings settings() {
    DovecotSettings settings;
    settings.where = "/run/dovecot/sealpost";
    settings.dial = [this](event::Loop& loop) { return dial(loop); };
    return settings;
  }

  event::Task<Expected<std::unique_ptr<event::Stream>>> dial(event::Loop& loop) {
    if (mood == Mood::refuses) co_return Error(Errc::refused, "connect: Connection refused");
    ++connections;
    if (!scope) scope.emplace(loop);
    event::SimConnection made(loop, event::SimLink());
    wires.push_back(made.wire);
    scope->spawn(serve(std::move(made.server)));
    co_return std::move(made.client);
  }

  event::Task<void> serve(std::unique_ptr<event::Stream> stream) {
    event::LineStream lines(std::move(stream));
    lines.put(greeting);
    const auto greeted = co_await lines.flush(std::chrono::seconds(10));
    if (!greeted) co_return;
    for (;;) {
      const auto line = co_await lines.line(9000, std::chrono::hours(1));
      if (!line) co_return;
      const std::string said(line->text);
      if (!said.starts_with("AUTH\t")) continue;
      requests.push_back(said);
      if (mood == Mood::leaves) co_return;
      if (mood == Mood::silent) continue;
      const std::string words = answer_to(said);
      if (words.starts_with("FAIL")) co_await event::sleep_for(scope->loop(), no_takes);
      lines.put(words + "\n");
      const auto done = co_await lines.flush(std::chrono::seconds(10));
      if (!done) co_return;
    }
  }

  std::string answer_to(const std::string& request) {
    const std::vector<std::string_view> words = text::split(request, '\t');
    const std::string id(words[1]);
    if (next) {
      std::string answer = *std::exchange(next, std::nullopt);
      const std::size_t at = answer.find("ID");
      return at == answer.npos ? answer : answer.replace(at, 2, id);
    }
    if (mood == Mood::temporary) return "FAIL\t" + id + "\tuser=anna\ttemp\tcode=temp_fail";
    const std::string plain = text::from_base64(words.back().substr(5)).value_or("");
    const std::vector<std::string_view> said = text::split(plain, '\0');
    const auto found = said.size() == 3 ? passwords.find(std::string(said[1])) : passwords.end();
    if (found == passwords.end() || found->second.first != said[2]) return "FAIL\t" + id + "\tuser=x";
    return "OK\t" + id + "\tuser=" + found->second.second + "\thome=/nowhere";
  }

  std::string greeting =
      "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t7\nCUID\t1\nCOOKIE\tc0ffee\nDONE"
      "\n";
  Mood mood = Mood::well;
  std::map<std::string, std::pair<std::string, std::string>> passwords;  // by name: and the account
  std::optional<std::string> next;                                       // said instead of an answer, once
  Duration no_takes = std::chrono::seconds(2);
  int connections = 0;
  std::vector<std::string> requests;
  std::vector<std::shared_ptr<event::SimWire>> wires;
  std::optional<event::TaskScope> scope;  // ends before its loop
};

}  // namespace sealpost::auth::test
