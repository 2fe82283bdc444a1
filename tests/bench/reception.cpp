// SPDX-License-Identifier: Apache-2.0
//
// See reception.hpp.

#include "reception.hpp"

#include <strings.h>

#include <array>
#include <functional>
#include <stdexcept>

namespace bench {

namespace {

constexpr std::int64_t millisecond = 1'000'000;
constexpr std::size_t longest_line = 4096;
constexpr std::size_t kept_tail = 128;

// 256 KB: one read takes a whole 64 KB message and more, and there is one buffer per thread, not per session.
thread_local std::array<char, 1 << 18> room;

bool is(std::string_view line, std::string_view verb) {
  return line.size() >= verb.size() && ::strncasecmp(line.data(), verb.data(), verb.size()) == 0;
}

std::string_view in_angles(std::string_view line) {
  const auto open = line.find('<');
  const auto close = line.find('>', open);
  if (open == std::string_view::npos || close == std::string_view::npos) return {};
  return line.substr(open + 1, close - open - 1);
}

}  // namespace

void Tally::reset() {
  for (Counter* counter : {&messages, &recipients, &bytes, &connections, &encrypted_connections, &resumed,
                           &deferred, &rejected, &damaged})
    *counter = 0;
  last_delivery = 0;
}

Reception::Reception(const SinkOptions& chosen) : options(chosen) {
  if (options.certificate.empty() != options.key.empty())
    throw std::invalid_argument("--certificate and --key go together");
  if (!options.certificate.empty()) tls = server_tls(options.certificate, options.key);
  if (options.record.empty()) return;
  record_ = std::fopen(options.record.c_str(), "ae");
  if (record_ == nullptr) throw std::runtime_error("cannot open the record " + options.record);
}

Reception::~Reception() {
  if (record_ != nullptr) std::fclose(record_);
}

void Reception::record(std::string_view lines) {
  const std::scoped_lock lock(lock_);
  std::fwrite(lines.data(), 1, lines.size(), record_);
}

void Reception::flush_record() {
  const std::scoped_lock lock(lock_);
  if (record_ != nullptr) std::fflush(record_);
}

bool Reception::seen_before(const std::string& recipient) {
  const std::scoped_lock lock(lock_);
  return !greylisted_.insert(recipient).second;
}

bool Guest::greet() {
  out_ = "220 " + receiver_->reception.options.hostname + " ESMTP\r\n";
  return flush();
}

bool Guest::flush() {
  if (receiver_->reception.options.late_ms == 0) return out_.empty() || wire_.write(out_) != Io::closed;
  if (!out_.empty()) {
    held_.push_back(std::move(out_));
    out_.clear();
    receiver_->speak_later(receiver_->current);
  }
  return sending_.empty() || wire_.write(sending_) != Io::closed;
}

bool Guest::speak() {
  sending_ += held_.front();
  held_.pop_front();
  if (!flush() || (leaving_ && silent())) return false;
  if (step_ == Step::turning) {
    wire_.begin_tls(*receiver_->reception.tls, true);
    step_ = Step::handshake;
    return ready(false);
  }
  return true;
}

bool Guest::ready(bool hang_up) {
  if (step_ == Step::handshake) {
    const Io result = wire_.handshake();
    if (result != Io::progress) return result == Io::blocked;
    Tally& tally = receiver_->reception.tally;
    ++tally.encrypted_connections;
    if (wire_.resumed()) ++tally.resumed;
    step_ = Step::command;
  }
  if (!flush()) return false;
  while (step_ == Step::command || step_ == Step::text) {
    std::size_t got = 0;
    const Io result = wire_.read(room.data(), room.size(), got);
    if (result == Io::blocked) break;
    if (result == Io::closed || !take({room.data(), got})) return false;
    if (!flush()) return false;
    if (leaving_) return !silent();
    // A short read has emptied the socket; only a hang-up that came together with it makes no event of its
    // own.
    if (!wire_.encrypted() && !hang_up && got < room.size()) break;
  }
  return true;
}

// Bytes in the order they came: what was left over, then the new ones. Commands are few and short, text is
// neither, so only commands are ever copied aside.
bool Guest::take(std::string_view chunk) {
  if (!backlog_.empty()) {
    backlog_.append(chunk);
    return take_backlog();
  }
  while (!chunk.empty()) {
    if (step_ == Step::text) {
      chunk.remove_prefix(take_text(chunk));
      if (cut_) return false;
    } else if (step_ == Step::command) {
      const auto end = chunk.find('\n');
      if (end == std::string_view::npos) break;
      if (!command(chunk.substr(0, end))) return false;
      chunk.remove_prefix(end + 1);
    } else {
      break;  // a pause; what came ahead of it waits
    }
  }
  if (step_ == Step::handshake || step_ == Step::turning)
    return chunk.empty();  // nothing may come between STARTTLS and the handshake
  backlog_.assign(chunk);
  return step_ == Step::waiting || backlog_.size() <= longest_line;
}

bool Guest::take_backlog() {
  std::string kept;
  kept.swap(backlog_);
  return take(kept);
}

bool Guest::command(std::string_view line) {
  Reception& reception = receiver_->reception;
  if (is(line, "RCPT TO:")) return recipient(line);
  if (is(line, "MAIL FROM:")) {
    recipients_.clear();
    out_ += "250 2.1.0 Ok\r\n";
  } else if (is(line, "DATA")) {
    if (recipients_.empty()) {
      out_ += "503 5.5.1 No recipients\r\n";
      return true;
    }
    out_ += "354 Go on\r\n";
    step_ = Step::text;
    end_.restart();
    size_ = 0;
    tail_.clear();
  } else if (is(line, "EHLO") || is(line, "HELO")) {
    out_ += "250-" + reception.options.hostname + "\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n";
    if (reception.tls && !wire_.encrypted()) out_ += "250-STARTTLS\r\n";
    out_ += "250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n";
  } else if (is(line, "STARTTLS") && reception.tls && !wire_.encrypted()) {
    out_ += "220 2.0.0 Go on\r\n";
    step_ = reception.options.late_ms > 0 ? Step::turning : Step::handshake;
    if (!flush()) return false;
    if (step_ == Step::handshake) wire_.begin_tls(*reception.tls, true);
  } else if (is(line, "QUIT")) {
    out_ += "221 2.0.0 Bye\r\n";
    leaving_ = true;
  } else if (is(line, "RSET") || is(line, "NOOP")) {
    if (is(line, "RSET")) recipients_.clear();
    out_ += "250 2.0.0 Ok\r\n";
  } else {
    out_ += "502 5.5.1 Not known here\r\n";
  }
  return true;
}

bool Guest::recipient(std::string_view line) {
  Reception& reception = receiver_->reception;
  const SinkOptions& options = reception.options;
  std::string address(in_angles(line));
  if (receiver_->chance(options.reject)) {
    ++reception.tally.rejected;
    out_ += "550 5.1.1 No such mailbox\r\n";
  } else if (receiver_->chance(options.defer) || (options.greylist && !reception.seen_before(address))) {
    ++reception.tally.deferred;
    out_ += "451 4.7.1 Try again later\r\n";
  } else {
    recipients_.push_back(std::move(address));
    out_ += "250 2.1.5 Ok\r\n";
  }
  return true;
}

std::size_t Guest::take_text(std::string_view chunk) {
  bool found = false;
  const std::size_t used = end_.scan(chunk, found);
  size_ += used;
  if (receiver_->reception.recording()) {
    tail_.append(chunk.substr(used - std::min(used, kept_tail), std::min(used, kept_tail)));
    if (tail_.size() > 2 * kept_tail) tail_.erase(0, tail_.size() - kept_tail);
  }
  if (found) end_of_message();
  return used;
}

void Guest::end_of_message() {
  const SinkOptions& options = receiver_->reception.options;
  step_ = Step::command;
  if (receiver_->chance(options.drop)) {
    cut_ = true;
  } else if (options.delay_ms > 0) {
    step_ = Step::waiting;
    receiver_->answer_later(receiver_->current);
  } else {
    accept_message();
  }
}

bool Guest::answer_now() {
  step_ = Step::command;
  accept_message();
  return take_backlog() && flush() && (!leaving_ || !silent()) && ready(true);
}

void Guest::accept_message() {
  Reception& reception = receiver_->reception;
  Tally& tally = reception.tally;
  ++tally.messages;
  tally.recipients += recipients_.size();
  tally.bytes += size_ - 3;
  tally.last_delivery = now_ns();
  if (reception.recording()) {
    std::string lines;
    for (const std::string& address : recipients_) {
      // The source ends each text with a line that repeats the local part.
      const std::string mark = "\r\nend " + address.substr(0, address.find('@')) + "\r\n.\r\n";
      const bool whole = std::string_view(tail_).ends_with(mark);
      if (!whole) ++tally.damaged;
      lines += address + '\t' + wire_.protocol() + (whole ? "\twhole\n" : "\tdamaged\n");
    }
    reception.record(lines);
  }
  recipients_.clear();
  out_ += "250 2.0.0 Ok: taken\r\n";
}

Receiver::Receiver(Reception& all) : reception(all), random_(all.options.seed) {
  for (const std::string& address : reception.options.listen) {
    listeners_.push_back(listen_on(parse_address(address)));
    poll_.add(listeners_.back().get(), listeners_.size() - 1);
  }
}

void Receiver::answer_later(std::uint64_t guest) {
  due_.push({now_ns() + reception.options.delay_ms * millisecond, guest});
}

void Receiver::speak_later(std::uint64_t guest) {
  due_.push({now_ns() + reception.options.late_ms * millisecond, guest, true});
}

void Receiver::take_guests(const Descriptor& listener) {
  for (Descriptor fd = accept_from(listener); fd.open(); fd = accept_from(listener)) {
    const std::uint64_t key = next_key_++;
    ++reception.tally.connections;
    poll_.add(fd.get(), key);
    const auto place = guests_.try_emplace(key, *this, std::move(fd)).first;
    current = key;
    if (!place->second.greet()) guests_.erase(place);
  }
}

void Receiver::serve(std::uint64_t key, bool hang_up) {
  const auto place = guests_.find(key);
  if (place == guests_.end()) return;
  current = key;
  if (!place->second.ready(hang_up)) guests_.erase(place);
}

// Gives the late answers whose time has come; returns how long the next may wait, in milliseconds.
int Receiver::answer_due() {
  while (!due_.empty()) {
    const std::int64_t left = due_.top().at - now_ns();
    if (left > 0) return static_cast<int>(left / millisecond) + 1;
    const auto place = guests_.find(due_.top().guest);
    const bool late = due_.top().late;
    due_.pop();
    if (place == guests_.end()) continue;
    current = place->first;
    if (!(late ? place->second.speak() : place->second.answer_now())) guests_.erase(place);
  }
  return -1;
}

void Receiver::run() {
  std::array<epoll_event, 256> events;
  for (;;) {
    const int count = poll_.wait(events.data(), events.size(), answer_due());
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.u64 < listeners_.size())
        take_guests(listeners_[event.data.u64]);
      else
        serve(event.data.u64, (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
    }
  }
}

}  // namespace bench
