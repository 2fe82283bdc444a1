// SPDX-License-Identifier: Apache-2.0
//
// Opening and closing a session: greeting, EHLO, STARTTLS, QUIT. Transactions are in client_transaction.cpp.
#include "smtp/client_session.hpp"

#include <array>
#include <utility>

#include "base/text.hpp"

namespace sealpost::smtp {
namespace {
constexpr int most_greetings = 2;  // after the first
constexpr auto late_word = std::chrono::seconds(1);
constexpr std::size_t longest_initial = 480;  // of a command line of 512 octets
constexpr int most_auth_steps = 8;

// What we said in AUTH, as it was said or decoded, goes into no log and no queue, whoever repeats it (T-05). Its beginning will do: a
// long line is kept in part.
class Unsaid {
 public:
  Unsaid(const std::vector<std::string>& said, std::string_view secret) : said_(said), secret_(secret) {}

  void hide(std::string& line) const {
    const auto repeats = [&](std::string_view word, std::size_t least) {
      return word.size() >= least && line.find(word.substr(0, looked_for)) != std::string::npos;
    };
    bool ours = repeats(secret_, 1) || repeats(text::printable(secret_, longest_kept_text), 1);
    for (const std::string& word : said_) ours = ours || repeats(word, 8);
    if (ours) line = "(its words repeat ours)";
  }
  void hide(Reply& reply) const {
    for (std::string& line : reply.lines) hide(line);
  }
  SessionError without(SessionError error) const {
    if (!error.reply) {
      hide(error.error.detail);
      return error;
    }
    hide(*error.reply);
    return SessionError(error.stage, std::move(*error.reply));
  }

 private:
  static constexpr std::size_t looked_for = 24;
  const std::vector<std::string>& said_;
  std::string_view secret_;
};
}  // namespace

std::string_view name_of(Stage stage) noexcept {
  switch (stage) {
    case Stage::connect: return "connect";
    case Stage::greeting: return "greeting";
    case Stage::ehlo: return "EHLO";
    case Stage::starttls: return "STARTTLS";
    case Stage::handshake: return "TLS handshake";
    case Stage::auth: return "AUTH";
    case Stage::mail: return "MAIL";
    case Stage::rcpt: return "RCPT";
    case Stage::data: return "DATA";
    case Stage::body: return "message body";
    case Stage::final_dot: return "final dot";
    case Stage::rset: return "RSET";
    case Stage::quit: return "QUIT";
  }
  return "";
}

ClientSession::ClientSession(std::unique_ptr<event::Stream> stream, std::string own_name,
                             const ClientLimits& limits)
    : loop_(stream->loop()),
      stream_(std::move(stream)),
      peer_(stream_.stream().peer()),
      local_(stream_.stream().local()),
      own_name_(std::move(own_name)),
      limits_(limits) {}

SessionError ClientSession::fail(Stage stage, Error error) {
  broken_ = true;
  return SessionError(stage, std::move(error));
}

// A reply that ends what the stage was for; after 421 also the session (RFC 5321 §3.8).
SessionError ClientSession::refuse(Stage stage, Reply reply) {
  if (reply.code == 421) broken_ = true;
  return SessionError(stage, std::move(reply));
}

SessionError ClientSession::protocol_error(Stage stage, const Reply& reply) {
  return fail(stage, Error(Errc::protocol, "unexpected reply: " + reply.to_string()));
}

event::Task<SessionResult<Reply>> ClientSession::reply(Stage stage, Duration limit) {
  const SteadyTime end = event::deadline(loop_.now(), limit);
  for (;;) {
    event::Line line;
    if (!stream_.buffered_line(line, longest_reply_line)) {
      auto got = co_await stream_.line(longest_reply_line, end - loop_.now());
      if (!got) co_return fail(stage, std::move(got).error());
      line = *got;
    }
    switch (parser_.add(line.text)) {
      case ReplyParser::State::more: break;
      case ReplyParser::State::failed: co_return fail(stage, parser_.error());
      case ReplyParser::State::done: {
        Reply done = parser_.take();
        if (done.code == 421) co_return refuse(stage, std::move(done));
        co_return done;
      }
    }
  }
}

event::Task<SessionResult<Reply>> ClientSession::ask(Stage stage, Duration limit) {
  // A peer that has spoken out of turn would have its stray words taken for the answer.
  if (!stream_.buffered().empty())
    co_return fail(stage, Error(Errc::protocol, "peer spoke before it was asked"));
  auto sent = co_await stream_.flush(limit);
  if (!sent) co_return fail(stage, std::move(sent).error());
  auto answer = co_await reply(stage, limit);
  co_return answer;
}

event::Task<SessionResult<Extensions>> ClientSession::open(bool allow_helo) {
  auto greeting = co_await reply(Stage::greeting, limits_.greeting);
  if (!greeting) co_return std::move(greeting).error();
  if (greeting->intermediate()) co_return protocol_error(Stage::greeting, *greeting);
  if (!greeting->positive()) co_return refuse(Stage::greeting, std::move(*greeting));
  // Some hosts greet twice, a proxy and the server behind it. Nothing has been asked yet, so nothing can be mistaken;
  // what refuses us counts.
  for (int more = 0; more < most_greetings && stream_.buffered().find('\n') != std::string_view::npos;
       ++more) {
    auto again = co_await reply(Stage::greeting, limits_.greeting);
    if (!again) co_return std::move(again).error();
    if (again->intermediate()) co_return protocol_error(Stage::greeting, *again);
    if (!again->positive()) co_return refuse(Stage::greeting, std::move(*again));
    remark_ = "it greeted twice: " + again->to_string();
  }
  auto extensions = co_await hello(allow_helo);
  co_return extensions;
}

event::Task<bool> ClientSession::speaks_again() {
  if (!stream_.buffered().empty()) co_return true;
  const auto more = co_await stream_.fill(late_word);
  co_return more&&* more > 0;
}

bool ClientSession::has_spoken() {
  if (!stream_.buffered().empty()) return true;
  const event::IoResult read = stream_.try_fill();
  return read.state == event::IoState::done && !stream_.buffered().empty();
}

event::Task<SessionResult<Extensions>> ClientSession::hello(bool allow_helo) {
  extensions_ = Extensions();
  stream_.put("EHLO ");
  stream_.put(own_name_);
  stream_.put("\r\n");
  auto ehlo = co_await ask(Stage::ehlo, limits_.ehlo);
  if (!ehlo) co_return std::move(ehlo).error();
  if (ehlo->code == 220) {
    // No answer to EHLO but a greeting: a second one that came late, if another word follows.
    const bool follows = co_await speaks_again();
    if (follows) {
      remark_ = "it greeted twice: " + ehlo->to_string();
      ehlo = co_await reply(Stage::ehlo, limits_.ehlo);
      if (!ehlo) co_return std::move(ehlo).error();
    }
  }
  if (ehlo->intermediate()) co_return protocol_error(Stage::ehlo, *ehlo);
  if (ehlo->positive()) {
    extensions_ = read_ehlo(*ehlo);
    for (const std::string& keyword : ignored_) leave_out(extensions_, keyword);
    co_return extensions_;
  }
  if (!ehlo->permanent() || !allow_helo) co_return refuse(Stage::ehlo, std::move(*ehlo));

  stream_.put("HELO ");
  stream_.put(own_name_);
  stream_.put("\r\n");
  auto helo = co_await ask(Stage::ehlo, limits_.ehlo);
  if (!helo) co_return std::move(helo).error();
  if (helo->intermediate()) co_return protocol_error(Stage::ehlo, *helo);
  if (!helo->positive()) co_return refuse(Stage::ehlo, std::move(*helo));
  extensions_ = read_helo(*helo);
  co_return extensions_;
}

event::Task<SessionResult<void>> ClientSession::shake_hands(tls::Client& client, tls::ClientOptions options) {
  broken_ = true;  // there is no connection until the handshake is over
  auto secured = co_await client.handshake(stream_.take_stream(), std::move(options), limits_.starttls);
  if (!secured) {
    facts_.handshake_error = text::printable(secured.error().detail, longest_kept_text);
    co_return fail(Stage::handshake, std::move(secured).error());
  }
  broken_ = false;
  stream_.set_stream(std::move(secured->stream));
  facts_.starttls = StartTls::established;
  facts_.tls = std::move(secured->facts);
  bindings_ = std::move(secured->bindings);
  co_return SessionResult<void>();
}

event::Task<SessionResult<void>> ClientSession::secure(tls::Client& client, tls::ClientOptions options) {
  facts_ = SessionFacts();
  facts_.starttls = StartTls::handshake_failed;
  auto secured = co_await shake_hands(client, std::move(options));
  co_return secured;
}

event::Task<SessionResult<SessionFacts>> ClientSession::start_tls(tls::Client& client,
                                                                  tls::ClientOptions options) {
  if (encrypted()) co_return facts_;
  facts_ = SessionFacts();
  facts_.starttls = StartTls::not_offered;
  if (!extensions_.starttls) co_return facts_;

  facts_.starttls = StartTls::handshake_failed;  // unless it goes well, or the peer says no
  stream_.put("STARTTLS\r\n");
  auto answer = co_await ask(Stage::starttls, limits_.starttls);
  if (!answer) {
    const bool refused = answer.error().reply.has_value();
    facts_.starttls = refused ? StartTls::refused : StartTls::handshake_failed;
    if (refused) facts_.starttls_reply = answer.error().reply->to_string();
    if (!refused) facts_.handshake_error = std::string(sealpost::name_of(answer.error().error.code));
    co_return std::move(answer).error();
  }
  if (answer->intermediate()) {
    facts_.handshake_error = "unexpected-reply";
    co_return protocol_error(Stage::starttls, *answer);
  }
  if (!answer->positive()) {
    facts_.starttls = StartTls::refused;
    facts_.starttls_reply = answer->to_string();
    co_return facts_;
  }
  // What came with the 220 was said in clear, yet would be read as if it had come through TLS (T-02).
  if (!stream_.quiet()) {
    facts_.handshake_error = "starttls-response-injection";
    co_return fail(Stage::handshake, Error(Errc::protocol, "clear text after the reply to STARTTLS"));
  }
  auto secured = co_await shake_hands(client, std::move(options));
  if (!secured) co_return std::move(secured).error();

  auto extensions = co_await hello(false);  // RFC 3207 §4.2; what was said in clear is forgotten (T-04)
  if (!extensions) co_return std::move(extensions).error();
  facts_.offers_requiretls = extensions_.requiretls;
  co_return facts_;
}

event::Task<SessionResult<Reply>> ClientSession::authenticate(auth::SaslClient& client) {
  std::vector<std::string> said;  // in base64, to know it again
  const auto encoded = [&](std::string octets) {
    const auth::WipeAtEnd wiped(octets);
    said.push_back(text::base64(octets));
    return said.back();
  };
  struct Wipe {
    ~Wipe() {
      for (std::string& word : all) auth::wipe(word);
    }
    std::vector<std::string>& all;
  } const wipe{said};
  const Unsaid unsaid(said, client.secret());

  std::optional<std::string> first = client.first();
  std::string held;  // what would make the line too long goes as an answer (RFC 4954 §4)
  const auth::WipeAtEnd held_too(held);
  stream_.put("AUTH ");
  stream_.put(client.mechanism());
  if (first) {
    held = first->empty() ? "=" : encoded(std::move(*first));
    if (held.size() <= longest_initial) {
      stream_.put(" ");
      stream_.put(held);
      held.clear();
    }
  }
  stream_.put("\r\n");
  for (int step = 0; step < most_auth_steps; ++step) {
    auto answer = co_await ask(Stage::auth, limits_.mail);
    if (!answer) co_return unsaid.without(std::move(answer).error());
    if (!answer->intermediate()) {
      if (answer->positive() && !client.finished())
        co_return fail(Stage::auth,
                       Error(Errc::refused, "the server says yes, and has not proven who it is"));
      unsaid.hide(*answer);
      co_return std::move(*answer);
    }
    if (!held.empty()) {
      stream_.put(std::exchange(held, {}));
      stream_.put("\r\n");
      continue;
    }
    const auto challenge = text::from_base64(answer->lines.empty() ? "" : text::trim(answer->lines.front()));
    Expected<std::string> reply = Error(Errc::invalid, "its challenge is no base64");
    if (challenge) reply = client.answer(*challenge);
    if (reply) {
      stream_.put(encoded(std::move(*reply)));
      stream_.put("\r\n");
      continue;
    }
    stream_.put("*\r\n");
    auto cancelled = co_await ask(Stage::auth, limits_.mail);
    co_return fail(Stage::auth, std::move(reply).error());
  }
  co_return fail(Stage::auth, Error(Errc::protocol, "AUTH does not come to an end"));
}

bool ClientSession::stale() noexcept {
  if (broken_ || !stream_.quiet()) return true;
  std::array<char, 1> byte{};
  const event::IoResult read = stream_.stream().try_read(byte);
  if (read.state == event::IoState::would_block) return false;
  broken_ = true;  // closed, or a word nobody asked for, which is lost now
  return true;
}

event::Task<void> ClientSession::quit() {
  if (!stream_.has_stream()) co_return;
  if (!broken_) {
    stream_.put("QUIT\r\n");
    auto bye = co_await ask(Stage::quit, limits_.quit);  // whatever it says, or nothing: this is the end
    broken_ = true;
  }
  stream_.close();
}

}  // namespace sealpost::smtp
