// SPDX-License-Identifier: Apache-2.0
//
// See submitter.hpp.

#include "submitter.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace bench {

namespace {
constexpr std::int64_t millisecond = 1'000'000;
constexpr std::int64_t reconnect_after = 50 * millisecond;
}  // namespace

void Session::open(std::uint64_t key) {
  wire_ = Wire(connect_to(parse_address(worker_->shared.options.connect)));
  out_.clear();
  in_.clear();
  reply_.clear();
  sent_here_ = 0;
  dot_waits_ = polite_ = authenticated_ = false;
  step_ = wire_.open() ? Step::greeting : Step::closed;
  if (wire_.open() && worker_->shared.options.tls) {
    wire_.begin_tls(*worker_->tls, false);
    step_ = Step::handshake;
  }
  if (wire_.open())
    worker_->poll.add(wire_.fd(), key);
  else
    ++worker_->totals.lost_connections;
}

// Returns false always, so that a caller can end with it.
bool Session::fail(bool refused) {
  if (refused) {
    ++worker_->totals.refused;
    worker_->totals.last_refusal = reply_;
  } else if (step_ != Step::quit) {
    ++worker_->totals.lost_connections;
    if (step_ == Step::text) ++worker_->totals.in_doubt;
  }
  wire_.close();
  step_ = Step::closed;
  return false;
}

bool Session::flush() {
  if (out_.empty()) return true;
  const Io result = wire_.write(out_);
  if (result == Io::closed) return fail(false);
  if (dot_waits_ && out_.empty()) {
    dot_at_ = now_ns();
    dot_waits_ = false;
  }
  return true;
}

void Session::ready(bool hang_up) {
  if (step_ == Step::handshake) {
    const Io result = wire_.handshake();
    if (result == Io::blocked) return;
    if (result == Io::closed) {
      fail(false);
      return;
    }
    if (worker_->shared.options.tls)
      step_ = Step::greeting;
    else
      say_hello();
  }
  if (!flush()) return;
  std::array<char, 4096> room;
  for (;;) {
    std::size_t got = 0;
    const Io result = wire_.read(room.data(), room.size(), got);
    if (result == Io::blocked) return;
    if (result == Io::closed) {
      fail(false);
      return;
    }
    in_.append(room.data(), got);
    if (!take_replies() || step_ == Step::handshake) return;
    if (!flush()) return;
    // A short read has emptied the socket; only a hang-up that came together with it makes no event of its
    // own.
    if (!wire_.encrypted() && !hang_up && got < room.size()) return;
  }
}

bool Session::take_replies() {
  std::size_t from = 0;
  for (std::size_t end; (end = in_.find('\n', from)) != std::string::npos; from = end + 1) {
    const std::string_view line(in_.data() + from, end - from);
    if (line.size() < 4) return fail(false);
    if (step_ == Step::ehlo) {
      const auto keyword = line.substr(4, line.find_last_not_of("\r ") - 3);
      starttls_offered_ |= keyword == "STARTTLS";
      pipelining_ |= keyword == "PIPELINING";
    }
    if (line[3] == '-') continue;
    const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    line_ = line.substr(0, line.find_last_not_of("\r") + 1);
    if (code >= 400) reply_.assign(line.substr(0, line.find_last_not_of('\r') + 1));
    if (!on_reply(code)) return false;
  }
  in_.erase(0, from);
  if (in_.size() > 8192) return fail(false);
  return true;
}

bool Session::say_hello() {
  starttls_offered_ = pipelining_ = false;
  step_ = Step::ehlo;
  out_ += "EHLO source.bench.test\r\n";
  return true;
}

bool Session::begin_message() {
  const Options& options = worker_->shared.options;
  if (!options.auth.empty() && !authenticated_) return say_auth();
  const bool rest = options.per_connection != 0 && sent_here_ >= options.per_connection;
  if (!ticket_ && !rest) ticket_ = worker_->take_ticket();
  if (!ticket_ || rest) {
    step_ = Step::quit;
    out_ += "QUIT\r\n";
    return true;
  }
  const std::uint64_t number = worker_->shared.ids.fetch_add(1, std::memory_order_relaxed);
  id_ = options.run + "-" + std::to_string(number);
  domain_ = options.domain;
  if (const auto place = domain_.find('%'); place != std::string::npos)
    domain_.replace(place, 1, std::to_string(number % options.domains));
  out_ += "MAIL FROM:<sender@source.bench.test> SIZE=";
  out_ += std::to_string(options.size);
  out_ += "\r\nRCPT TO:<";
  out_ += id_;
  out_ += '@';
  out_ += domain_;
  out_ += options.chunks ? ">\r\n" : ">\r\nDATA\r\n";
  if (options.chunks) send_text();
  step_ = Step::envelope;
  expected_ = options.chunks ? 2 : 3;
  if (worker_->totals.first_submission == 0) worker_->totals.first_submission = now_ns();
  return true;
}

// A chunk goes along with the envelope, and its size in front of it.
void Session::send_text() {
  const std::size_t size = worker_->shared.options.size;
  std::string before;
  if (worker_->shared.options.chunks) before.swap(out_);
  const std::size_t start = out_.size();
  out_ += "From: <sender@source.bench.test>\r\nTo: <";
  out_ += id_;
  out_ += '@';
  out_ += domain_;
  out_ += ">\r\nSubject: load\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <";
  out_ += id_;
  out_ += "@source.bench.test>\r\n\r\n";
  const std::size_t fixed = out_.size() - start + id_.size() + 6;
  if (fixed < size) out_.append(worker_->filler, worker_->filler.size() - (size - fixed));
  out_ += "end ";
  out_ += id_;
  if (worker_->shared.options.chunks) {
    out_ += "\r\n";
    before += "BDAT " + std::to_string(out_.size()) + " LAST\r\n" + out_;
    out_.swap(before);
  } else {
    out_ += "\r\n.\r\n";
  }
  dot_waits_ = true;
  step_ = Step::text;
}

bool Session::say_auth() {
  const Options& options = worker_->shared.options;
  if (options.logins && !ticket_) ticket_ = worker_->take_ticket();
  if (options.logins && !ticket_) {
    step_ = Step::quit;
    out_ += "QUIT\r\n";
    return true;
  }
  step_ = Step::auth;
  auth_steps_ = 0;
  dot_at_ = now_ns();
  if (worker_->totals.first_submission == 0) worker_->totals.first_submission = dot_at_;
  const std::string first = options.auth == "PLAIN"
                                ? plain_login(options.user, options.password)
                                : scram_.begin(options.user, static_cast<unsigned long>(dot_at_));
  out_ += "AUTH " + options.auth + " " + first + "\r\n";
  return true;
}

bool Session::on_auth_reply(int code) {
  if (code == 334 && ++auth_steps_ <= 2) {
    if (auth_steps_ == 1) out_ += scram_.answer(line_.substr(4), worker_->salted);
    out_ += "\r\n";
    return true;
  }
  if (code != 235) return fail(true);
  authenticated_ = true;
  if (!worker_->shared.options.logins) return begin_message();
  taken(dot_at_);
  step_ = Step::quit;
  out_ += "QUIT\r\n";
  return true;
}

// What was begun then has its yes.
void Session::taken(std::int64_t begun) {
  Totals& totals = worker_->totals;
  const std::int64_t now = now_ns();
  totals.ack_us.push_back(static_cast<std::uint32_t>((now - begun) / 1000));
  totals.last_ack = now;
  ++totals.accepted;
  ++sent_here_;
  ticket_ = false;
}

bool Session::on_reply(int code) {
  switch (step_) {
    case Step::greeting: return code == 220 ? say_hello() : fail(true);
    case Step::ehlo:
      if (code != 250) return fail(true);
      if (!pipelining_) {
        reply_ = "the server does not announce PIPELINING";
        return fail(true);
      }
      if (!worker_->tls || wire_.encrypted()) return begin_message();
      if (!starttls_offered_) {
        reply_ = "the server does not announce STARTTLS";
        return fail(true);
      }
      step_ = Step::starttls;
      out_ += "STARTTLS\r\n";
      return true;
    case Step::starttls: {
      if (code != 220) return fail(true);
      wire_.begin_tls(*worker_->tls, false);
      step_ = Step::handshake;
      const Io result = wire_.handshake();
      return result == Io::closed ? fail(false) : true;
    }
    case Step::envelope:
      if (code != (expected_ == 1 && !worker_->shared.options.chunks ? 354 : 250)) return fail(true);
      if (--expected_ > 0) return true;
      if (worker_->shared.options.chunks)
        step_ = Step::text;
      else
        send_text();
      return true;
    case Step::auth: return on_auth_reply(code);
    case Step::text: {
      if (code != 250) return fail(true);
      taken(dot_at_);
      worker_->promises += id_;
      worker_->promises += '@';
      worker_->promises += domain_;
      worker_->promises += '\n';
      return begin_message();
    }
    case Step::quit:
      wire_.close();
      polite_ = true;
      step_ = Step::closed;
      return false;
    case Step::handshake:
    case Step::closed: break;
  }
  return fail(false);
}

Worker::Worker(Shared& all, unsigned connections)
    : shared(all),
      tls(all.options.starttls || all.options.tls ? client_tls() : nullptr),
      salted(all.options.password) {
  sessions_.reserve(connections);
  while (sessions_.size() < connections) sessions_.emplace_back(*this);
  while (filler.size() < all.options.size) filler += std::string(70, 'x') + "\r\n";
}

void Worker::write_ledger() {
  shared.last_ack.store(std::max(shared.last_ack.load(), totals.last_ack));
  if (promises.empty()) return;
  if (shared.ledger != nullptr) {
    const std::scoped_lock lock(shared.ledger_lock);
    std::fwrite(promises.data(), 1, promises.size(), shared.ledger);
    std::fflush(shared.ledger);
  }
  promises.clear();
}

// A closed session is finished when nothing is left to send, else it comes back after a pause.
void Worker::settle(std::size_t index) {
  Session& session = sessions_[index];
  if (!session.is_closed()) return;
  if (session.owes_nothing() && exhausted())
    --open_;
  else
    waiting_.push_back({now_ns() + (session.left_politely() ? 0 : reconnect_after), index});
}

void Worker::reopen_due() {
  const std::int64_t now = now_ns();
  while (!waiting_.empty() && waiting_.front().at <= now) {
    const std::size_t index = waiting_.front().index;
    waiting_.pop_front();
    sessions_[index].open(index);
    settle(index);
  }
}

void Worker::run() {
  open_ = sessions_.size();
  for (std::size_t index = 0; index < sessions_.size(); ++index) {
    sessions_[index].open(index);
    settle(index);
  }
  std::array<epoll_event, 256> events;
  std::int64_t flushed = now_ns();
  while (open_ > 0 && !stopped) {
    const int count = poll.wait(events.data(), events.size(), 20);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      const std::size_t index = event.data.u64;
      if (sessions_[index].is_closed()) continue;
      sessions_[index].ready((event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
      settle(index);
    }
    reopen_due();
    const std::int64_t now = now_ns();
    if (now - flushed < 20 * millisecond) continue;
    flushed = now;
    write_ledger();
    const double silent = static_cast<double>(now - shared.last_ack.load()) * 1e-9;
    if (silent > shared.options.give_up) break;
  }
  for (const Session& session : sessions_) totals.in_doubt += session.awaits_verdict() ? 1U : 0U;
  write_ledger();
}

}  // namespace bench
