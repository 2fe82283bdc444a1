// SPDX-License-Identifier: Apache-2.0
#include "auth/dovecot_client.hpp"

#include <algorithm>
#include <utility>

#include "auth/dovecot_protocol.hpp"
#include "base/random.hpp"
#include "event/line_stream.hpp"
#include "event/wait.hpp"

namespace sealpost::auth {
namespace {

constexpr unsigned most_lines_beside = 100;  // that concern nobody, before an answer
constexpr std::size_t longest_plain =
    longest_dovecot_line / 2;  // in base64 and with what is said beside it, a line
constexpr const char* dovecot_cause = "accounts in Dovecot";

// One of the places for questions, until it is answered or given up.
class Question {
 public:
  explicit Question(std::atomic<std::size_t>& under_way) noexcept
      : under_way_(under_way), number_(++under_way) {}
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;
  ~Question() { --under_way_; }
  std::size_t number() const noexcept { return number_; }

 private:
  std::atomic<std::size_t>& under_way_;
  const std::size_t number_;
};

}  // namespace

struct DovecotClient::Connection {
  explicit Connection(std::unique_ptr<event::Stream> opened) : stream(std::move(opened)) {}
  event::LineStream stream;
  const SteadyTime since = stream.stream().loop().now();
  std::uint32_t last_id = 0;
};

DovecotClient::DovecotClient(DovecotSettings settings, Health* health)
    : settings_(std::move(settings)), health_(health) {}

DovecotClient::~DovecotClient() = default;

event::Task<Expected<DovecotVerdict>> DovecotClient::ask(event::Loop& loop, DovecotQuestion question) {
  const Question place(under_way_);
  const std::size_t places = question.known ? settings_.most : settings_.most - settings_.kept_back;
  if (place.number() > places)
    co_return Error(Errc::unavailable, "too many passwords wait for Dovecot to look at them");
  if (question.plain->view().size() > longest_plain) {
    // More than Dovecot reads of anybody: no account has it.
    DovecotVerdict no;
    co_return no;
  }
  ++asked_;
  const SteadyTime since = loop.steady();
  auto asking = answer(loop, std::move(question));
  Expected<DovecotVerdict> verdict = co_await event::within(loop, settings_.limit, std::move(asking));
  if (!verdict) {
    tell(verdict.error());
    co_return Error(Errc::unavailable, "Dovecot: " + verdict.error().detail);
  }
  if (!verdict->right) refusal_takes_ = (loop.steady() - since).count();
  if (health_ != nullptr) health_->clear(dovecot_cause);
  co_return verdict;
}

void DovecotClient::tell(const Error& error) {
  ++failed_;
  if (health_ == nullptr) return;
  health_->raise(
      dovecot_cause,
      "Dovecot at " + settings_.where + " gives no answer, and logins are put off (454): " + error.detail,
      "see that Dovecot runs, that its socket is open to the user of this relay, and what its log says; it "
      "is tried again with each login");
}

event::Task<Expected<DovecotVerdict>> DovecotClient::answer(event::Loop& loop, DovecotQuestion question) {
  ConnectionPtr kept = take_idle(loop);
  if (kept) {
    Expected<DovecotVerdict> verdict = co_await put(*kept, question);
    const bool gone = !verdict && (verdict.error().code == Errc::closed || verdict.error().code == Errc::io);
    if (!gone) {
      if (verdict) keep(loop, std::move(kept));
      co_return verdict;
    }
    // A Dovecot that was restarted has left all of them.
    drop_idle(loop);
  }
  Expected<ConnectionPtr> opened = co_await open(loop);
  if (!opened) co_return opened.error();
  ConnectionPtr connection = std::move(*opened);
  Expected<DovecotVerdict> verdict = co_await put(*connection, question);
  if (verdict) keep(loop, std::move(connection));
  co_return verdict;
}

event::Task<Expected<DovecotClient::ConnectionPtr>> DovecotClient::open(event::Loop& loop) {
  Expected<std::unique_ptr<event::Stream>> stream = co_await settings_.dial(loop);
  if (!stream) co_return stream.error();
  ++opened_;
  auto connection = std::make_unique<Connection>(std::move(*stream));
  // Dovecot turns a second connection of the same number away, and asks not whose it is.
  const auto number = static_cast<std::uint32_t>(1 + random_below(0x7ffffffe));
  connection->stream.put(dovecot_hello(number));
  const Expected<void> said = co_await connection->stream.flush(settings_.limit);
  if (!said) co_return said.error();
  DovecotGreeting greeting;
  for (;;) {
    const Expected<event::Line> line =
        co_await connection->stream.line(longest_dovecot_line, settings_.limit);
    if (!line) co_return line.error();
    const Expected<bool> done = greeting.hear(line->text);
    if (!done) co_return done.error();
    if (*done) break;
  }
  if (!greeting.has_plain())
    co_return Error(Errc::invalid, "it does not offer PLAIN: auth_mechanisms = plain login");
  co_return connection;
}

event::Task<Expected<DovecotVerdict>> DovecotClient::put(Connection& connection,
                                                         const DovecotQuestion& question) {
  const std::uint32_t id = ++connection.last_id;
  std::string request = dovecot_request(id, question.client, question.local, question.plain->view());
  const WipeAtEnd wiped(request);
  const Expected<void> said = co_await connection.stream.send(request, settings_.limit);
  if (!said) co_return said.error();
  for (unsigned lines = 0; lines < most_lines_beside; ++lines) {
    const Expected<event::Line> line = co_await connection.stream.line(longest_dovecot_line, settings_.limit);
    if (!line) co_return line.error();
    const Expected<std::optional<DovecotReply>> reply = parse_dovecot_reply(line->text);
    if (!reply) co_return reply.error();
    if (!*reply) continue;
    if ((*reply)->id != id) co_return Error(Errc::invalid, "it answers what nobody has asked");
    DovecotVerdict verdict;
    switch ((*reply)->kind) {
      case DovecotReply::Kind::right:
        verdict.right = true;
        verdict.user = (*reply)->user;
        co_return verdict;
      case DovecotReply::Kind::wrong: co_return verdict;
      case DovecotReply::Kind::no_answer:
        co_return Error(Errc::unavailable,
                        "it cannot look at passwords now, or not at ours; its log says why");
      case DovecotReply::Kind::goes_on:
        co_return Error(Errc::invalid, "it has questions where PLAIN has said everything");
    }
  }
  co_return Error(Errc::invalid, "it talks and does not answer");
}

DovecotClient::ConnectionPtr DovecotClient::take_idle(event::Loop& loop) {
  const std::lock_guard lock(mutex_);
  std::vector<ConnectionPtr>& idle = idle_[&loop];
  std::erase_if(idle, [&](const ConnectionPtr& one) { return loop.now() - one->since > settings_.most_age; });
  if (idle.empty()) return nullptr;
  ConnectionPtr last = std::move(idle.back());
  idle.pop_back();
  return last;
}

void DovecotClient::drop_idle(event::Loop& loop) {
  std::vector<ConnectionPtr> gone;
  const std::lock_guard lock(mutex_);
  gone.swap(idle_[&loop]);
}

void DovecotClient::keep(event::Loop& loop, ConnectionPtr connection) {
  if (!connection->stream.quiet()) return;
  const std::lock_guard lock(mutex_);
  std::vector<ConnectionPtr>& idle = idle_[&loop];
  if (idle.size() < settings_.most_idle) idle.push_back(std::move(connection));
}

DovecotClient::Counters DovecotClient::counters() const noexcept {
  return {asked_.load(), opened_.load(), failed_.load()};
}

}  // namespace sealpost::auth
