// SPDX-License-Identifier: Apache-2.0
//
// T-24: the session against a model that was written from RFC 5321 §4.1.4 without looking at the table. Each
// sequence is a session of its own; what it answers and what it accepts must be what the model says, reply
// for reply.
#include "smtp/server_state.hpp"

#include <doctest.h>

#include <array>
#include <random>
#include <vector>

#include "server_fixture.hpp"

using namespace sealpost;
using namespace sealpost::test;

namespace {

// What a client may say, by what it means to the model.
enum class Say : std::uint8_t {
  ehlo,
  ehlo_bad,
  helo,
  mail,
  mail_bad,
  mail_no_room,
  mail_option,
  rcpt,
  rcpt_bad,
  rcpt_refused,
  data,
  data_argument,
  data_lost,
  data_nul,
  rset,
  rset_argument,
  noop,
  vrfy,
  expn,
  help,
  unknown,
  auth,
  starttls,
  quit,
  bdat,
  bdat_last,
  bdat_empty,
  bdat_lost,
  bdat_nul,
  bdat_bare,
  bdat_huge,
  bdat_bad,
  http,
  bare_lf,
};
constexpr unsigned say_count = 34;
constexpr std::array<std::string_view, say_count> words = {"EHLO c\r\n",
                                                           "EHLO\r\n",
                                                           "HELO c\r\n",
                                                           "MAIL FROM:<a@x.example>\r\n",
                                                           "MAIL FROM:a\r\n",
                                                           "MAIL FROM:<full@example.net>\r\n",
                                                           "MAIL FROM:<a@x.example> XYZ\r\n",
                                                           "RCPT TO:<b@y.example>\r\n",
                                                           "RCPT TO:b\r\n",
                                                           "RCPT TO:<refused@y.example>\r\n",
                                                           "DATA\r\n",
                                                           "DATA x\r\n",
                                                           "DATA\r\n",
                                                           "DATA\r\n",
                                                           "RSET\r\n",
                                                           "RSET x\r\n",
                                                           "NOOP\r\n",
                                                           "VRFY x\r\n",
                                                           "EXPN x\r\n",
                                                           "HELP\r\n",
                                                           "FOO\r\n",
                                                           "AUTH PLAIN\r\n",
                                                           "STARTTLS\r\n",
                                                           "QUIT\r\n",
                                                           "BDAT 12\r\nNOOP\r\nQUIT\r\n",
                                                           "BDAT 6 LAST\r\nQUIT\r\n",
                                                           "BDAT 0 LAST\r\n",
                                                           "bdat 9 last\r\nlose me\r\n",
                                                           "BDAT 3\r\n?\r\n",
                                                           "BDAT 4\r\na\rb\n",
                                                           "BDAT 99999999999999999999 LAST\r\n",
                                                           "BDAT 1x\r\n",
                                                           "GET / HTTP/1.1\r\n",
                                                           "NOOP\n"};

class Model {
 public:
  std::string input;
  std::vector<int> replies{220};
  std::vector<std::size_t> messages;  // recipients of each accepted one
  bool over = false;

  void say(Say what) {
    input += words[static_cast<std::size_t>(what)];
    if (what < Say::bdat || what > Say::bdat_huge) failed_ = 0;
    if (what == Say::bdat_nul) input[input.size() - 3] = '\0';
    switch (what) {
      case Say::ehlo:
      case Say::helo:
        greeted_ = true;
        esmtp_ = what == Say::ehlo;
        no_transaction();
        return reply(250);
      case Say::ehlo_bad: return reply(501);
      case Say::mail: return sender(250);
      case Say::mail_bad: return sender(501);
      case Say::mail_no_room: return sender(452);
      case Say::mail_option: return sender(555);
      case Say::rcpt: return recipient(250);
      case Say::rcpt_bad: return recipient(501);
      case Say::rcpt_refused: return recipient(550);
      case Say::data: return data("text\r\n.\r\n", 250);
      case Say::data_lost: return data("lose me\r\n.\r\n", 451);
      case Say::data_nul: return data(std::string_view("\0\r\n.\r\n", 6), 550);
      case Say::data_argument: return data({}, 501);
      case Say::rset: no_transaction(); return reply(250);
      case Say::rset_argument: return reply(501);
      case Say::noop: return reply(250);
      case Say::vrfy: return reply(252);
      case Say::help: return reply(214);
      case Say::expn: return reply(502);
      case Say::starttls: return reply(502);
      case Say::unknown: return reply(500);
      case Say::auth: return reply(503);
      case Say::quit: return last(221);
      case Say::bdat: return chunk("NOOP\r\nQUIT\r\n", false);
      case Say::bdat_last: return chunk("QUIT\r\n", true);
      case Say::bdat_empty: return chunk("", true);
      case Say::bdat_lost: return chunk("lose me\r\n", true);
      case Say::bdat_nul: return chunk(std::string_view("\0\r\n", 3), false);
      case Say::bdat_bare: return refused_chunk(550, false);
      case Say::bdat_huge:
        refused_chunk(552, true);
        over = true;
        return;
      case Say::bdat_bad: return last(501);
      case Say::http: return last(421);
      case Say::bare_lf: return last(550);
    }
  }

 private:
  void reply(int code) { replies.push_back(code); }
  void last(int code) {
    reply(code);
    over = true;
  }
  void no_transaction() {
    sender_ = false;
    recipients_ = 0;
    chunks_ = false;
    content_.clear();
  }
  void sender(int code) {
    if (!greeted_) return reply(503);
    if (sender_) {
      no_transaction();
      return reply(503);
    }
    sender_ = code == 250;
    reply(code);
  }
  void recipient(int code) {
    if (!greeted_ || !sender_) return reply(503);
    if (chunks_) {
      no_transaction();
      return reply(503);
    }
    if (code == 250) ++recipients_;
    reply(code);
  }
  void data(std::string_view content, int code) {
    if (!greeted_ || !sender_) return reply(503);
    const std::size_t recipients = recipients_;
    const bool mixed = chunks_;
    no_transaction();
    if (mixed) return reply(503);
    if (recipients == 0) return reply(554);
    if (code == 501) return reply(501);
    reply(354);
    input += content;
    if (code == 250) messages.push_back(recipients);
    reply(code);
  }
  // RFC 3030 §2; a chunk that fails ends the transaction, and those behind it hear the same, up to the last.
  void refused_chunk(int code, bool last) {
    if (failed_ != 0) {
      reply(failed_);
      if (last) failed_ = 0;
      return;
    }
    if (!greeted_ || !sender_) return reply(503);
    const int said = recipients_ == 0 ? 554 : esmtp_ ? code : 503;
    no_transaction();
    if (!last) failed_ = said;
    reply(said);
  }
  void chunk(std::string_view content, bool last) {
    if (failed_ != 0 || !greeted_ || !sender_ || recipients_ == 0 || !esmtp_) return refused_chunk(503, last);
    chunks_ = true;
    content_ += content;
    if (!last) return reply(250);
    const std::size_t recipients = recipients_;
    const int code = content_.find('\0') != std::string::npos ? 550
                     : content_.starts_with("lose me")        ? 451
                                                              : 250;
    no_transaction();
    if (code == 250) messages.push_back(recipients);
    reply(code);
  }
  int failed_ = 0;
  bool greeted_ = false;
  bool esmtp_ = false;
  bool sender_ = false;
  bool chunks_ = false;
  std::string content_;
  std::size_t recipients_ = 0;
};

// Commands that get a session somewhere come more often.
Say draw(std::mt19937& random) {
  static constexpr std::array likely = {
      Say::ehlo, Say::mail,         Say::mail,      Say::rcpt, Say::rcpt, Say::data,     Say::data,
      Say::rset, Say::rcpt_refused, Say::data_lost, Say::bdat, Say::bdat, Say::bdat_last};
  const auto number = random();
  if (number % 8 < 5) return likely[(number >> 8) % likely.size()];
  const Say any = static_cast<Say>((number >> 8) % say_count);
  const bool ends = any == Say::quit || any == Say::bdat_huge || any == Say::bdat_bad || any == Say::http ||
                    any == Say::bare_lf;
  return ends && (number >> 20) % 4 ? Say::noop : any;
}

bool same_codes(std::string_view heard, const std::vector<int>& expected) {
  std::size_t at = 0;
  while (!heard.empty()) {
    const std::size_t end = heard.find('\n');
    if (end == std::string_view::npos || end < 4) return false;
    if (heard[3] == ' ') {
      const int code = (heard[0] - '0') * 100 + (heard[1] - '0') * 10 + (heard[2] - '0');
      if (at == expected.size() || expected[at] != code) return false;
      ++at;
    }
    heard.remove_prefix(end + 1);
  }
  return at == expected.size();
}

// Runs sequences over one loop; REQUIRE only when something is wrong, it would cost more than the session.
void compare(std::uint32_t seed, int sequences) {
  std::mt19937 random(seed);
  event::SimLoop loop;
  event::TaskScope scope(loop);
  auto options = SessionFixture::make_options();
  options->limits.errors = 1000;
  for (int i = 0; i < sequences; ++i) {
    Model model;
    for (auto left = 1 + random() % 10; left > 0 && !model.over; --left) model.say(draw(random));
    if (model.over) model.input += "NOOP\r\n";  // unheard
    Script script;
    script.input = model.input;
    if (i % 16 == 0) script.slice = 1 + random() % 40;
    FakeHandler handler;
    handler.lose = "lose me";
    smtp::ServerSession session(std::make_unique<ScriptStream>(loop, script), options, handler);
    scope.spawn(run_to_end(session));
    loop.settle();
    bool same = same_codes(script.output, model.replies) &&
                handler.received.size() == model.messages.size() &&
                handler.begun == handler.dropped + handler.received.size() && script.closed;
    for (std::size_t m = 0; same && m < model.messages.size(); ++m)
      same = handler.received[m].envelope.recipients.size() == model.messages[m];
    if (same) continue;
    CAPTURE(model.input);
    CAPTURE(script.output);
    REQUIRE(same);
  }
}

}  // namespace

#ifdef __SANITIZE_ADDRESS__
constexpr int sequences = 100'000;  // the count is for the plain build; here each one costs ten times as much
#else
constexpr int sequences = 1'000'000;
#endif
TEST_CASE("T-24 a million random command sequences against the model") { compare(24, sequences); }

TEST_CASE("state table: what RFC 5321 §4.1.4 says of each phase") {
  using smtp::Phase;
  using smtp::Verb;
  CHECK(!smtp::step(Phase::hello, Verb::mail).allowed);
  CHECK(smtp::step(Phase::ready, Verb::mail).on_success == Phase::mail);
  CHECK(smtp::step(Phase::rcpt, Verb::data).on_success == Phase::ready);
  CHECK(smtp::step(Phase::rcpt, Verb::data).on_failure == Phase::ready);
  CHECK(smtp::step(Phase::rcpt, Verb::bdat).on_success == Phase::chunks);
  CHECK(smtp::step(Phase::chunks, Verb::bdat_last).on_success == Phase::ready);
  for (const auto verb : {Verb::mail, Verb::rcpt, Verb::data}) {
    CHECK(!smtp::step(Phase::chunks, verb).allowed);
    CHECK(smtp::step(Phase::chunks, verb).on_failure == Phase::ready);
  }
  for (const auto phase : {Phase::hello, Phase::ready, Phase::mail, Phase::rcpt, Phase::chunks}) {
    CHECK(smtp::step(phase, Verb::quit).allowed);
    CHECK(smtp::step(phase, Verb::noop).on_success == phase);
    CHECK(smtp::step(phase, Verb::ehlo).on_success == Phase::ready);
    CHECK(smtp::step(phase, Verb::ehlo).on_failure == phase);
    CHECK(smtp::step(phase, Verb::starttls).on_success == Phase::hello);
    CHECK(smtp::step(phase, Verb::auth).allowed == (phase == Phase::ready));
    CHECK(smtp::step(phase, Verb::auth).on_failure == (phase == Phase::chunks ? Phase::ready : phase));
  }
}
