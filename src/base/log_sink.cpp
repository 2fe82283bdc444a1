// SPDX-License-Identifier: Apache-2.0
#include "base/log_sink.hpp"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <thread>
#include <utility>

#include "base/log_file.hpp"
#include "base/planted.hpp"

namespace sealpost::log {
namespace {

using namespace std::chrono_literals;
constexpr auto try_again = 500ms;  // a disk that is full
constexpr int last_words_ms = 200;

bool may_pass(int number) noexcept {
  return number == ENOSPC || number == EDQUOT || number == EIO || number == ENOBUFS || number == ENOMEM;
}

}  // namespace

void Sink::use(int fd) {
  flush();
  const std::lock_guard writing(writing_);
  const std::lock_guard lock(adding_);
  fd_ = fd;
  file_ = FileDescriptor();
  path_.clear();
}

void Sink::use(FileDescriptor file, std::string path) {
  flush();
  const std::lock_guard writing(writing_);
  const std::lock_guard lock(adding_);
  fd_ = file.get();
  file_ = std::move(file);
  path_ = std::move(path);
}

void Sink::add(std::string_view line, bool urgent) {
  bool full = false;
  {
    const std::lock_guard lock(adding_);
    if (background_ && lines_.size() + line.size() > most_waiting) {
      ++dropped_;
      dropped_in_all_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    lines_ += line;
    added_ += line.size();
    any_.store(true, std::memory_order_relaxed);
    full = lines_.size() >= flush_at;
  }
  if (urgent || full) flush();
}

void Sink::flush() noexcept {
  if (!background_) return write_here();
  if (!any_.load(std::memory_order_relaxed)) return;
  {
    const std::lock_guard lock(adding_);
    if (hand_over_) return;  // it knows
    hand_over_ = true;
  }
  wanted_.notify_one();
}

// Lines keep their order: whoever writes takes `writing_` before taking the lines out.
void Sink::write_here() noexcept {
  const std::lock_guard writing(writing_);
  if (take_lines()) write_all(going_out_, false);
  going_out_.clear();
}

bool Sink::take_lines() noexcept {
  const std::lock_guard lock(adding_);
  hand_over_ = false;
  any_.store(false, std::memory_order_relaxed);
  lines_.swap(going_out_);
  on_its_way_ = added_;
  if (dropped_ > 0) {
    // Behind all that was kept: they came when there was no room for more.
    going_out_ += note_(Level::warning, "log_dropped", {{"lines", dropped_}});
    dropped_ = 0;
  }
  return !going_out_.empty();
}

// ---- the thread ---------------------------------------------------------------------------------------------------

void Sink::write_in_background() {
  if (planted(Plant::log_blocks)) return;
  if (background_.exchange(true)) return;
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the loops (T-58)
  std::thread([this] { run(); }).detach();        // it lives as long as the process
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Sink::run() noexcept {
  for (;;) {
    bool opens = false;
    {
      std::unique_lock lock(adding_);
      wanted_.wait(lock, [this] { return hand_over_ || reopen_; });
      opens = std::exchange(reopen_, false);
      busy_ = true;
    }
    {
      const std::lock_guard writing(writing_);
      if (take_lines()) write_all(going_out_, true);
      going_out_.clear();
      if (going_out_.capacity() > 2 * flush_at) going_out_.shrink_to_fit();
      if (opens) open_again();
    }
    {
      const std::lock_guard lock(adding_);
      gone_ = on_its_way_;
      busy_ = false;
    }
    written_.notify_all();
  }
}

void Sink::write_all(std::string_view bytes, bool patient) noexcept {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(fd_, bytes.data(), bytes.size());
    if (wrote >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(wrote));
    } else if (errno == EAGAIN) {
      pollfd ready{fd_, POLLOUT, 0};
      if (::poll(&ready, 1, 1000) <= 0 && !patient) return lost(bytes);
    } else if (patient && may_pass(errno)) {
      std::this_thread::sleep_for(try_again);
    } else if (errno != EINTR) {
      return lost(bytes);  // a log that cannot be written must not stop the mail
    }
  }
}

void Sink::lost(std::string_view bytes) noexcept {
  const auto lines = static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
  dropped_in_all_.fetch_add(lines, std::memory_order_relaxed);
  const std::lock_guard lock(adding_);
  dropped_ += lines;
}

void Sink::reopen() noexcept {
  if (!background_) {
    const std::lock_guard writing(writing_);
    return open_again();
  }
  {
    const std::lock_guard lock(adding_);
    reopen_ = true;
  }
  wanted_.notify_one();
}

// What came before is in the old file by now.
void Sink::open_again() noexcept {
  std::string path;
  {
    const std::lock_guard lock(adding_);
    path = path_;
  }
  if (path.empty()) return;
  auto file = open_log_file(path);
  if (!file) {
    const std::string line =
        note_(Level::error, "log_not_reopened",
              {{"why", file.error().detail}, {"instead", "the file that was open is written on"}});
    return write_all(line, false);
  }
  fd_ = file->get();
  file_ = std::move(*file);
}

// ---- the end ------------------------------------------------------------------------------------------------------

bool Sink::finish(Duration limit) noexcept {
  if (!background_) {
    write_here();
    return true;
  }
  std::unique_lock lock(adding_);
  const std::uint64_t all = added_;
  if (gone_ == all && dropped_ == 0) return true;
  hand_over_ = true;
  wanted_.notify_one();
  return written_.wait_for(lock, limit, [&] { return gone_ >= all && !busy_; });
}

// In a signal handler: locks are tried, never waited for.
void Sink::last_words() noexcept {
  const timespec moment{0, 1'000'000};
  for (int i = 0; i < last_words_ms && busy_; ++i) ::nanosleep(&moment, nullptr);  // the thread writes on
  bool locked = adding_.try_lock();
  for (int i = 0; i < 20 && !locked; ++i) {
    ::nanosleep(&moment, nullptr);
    locked = adding_.try_lock();
  }
  if (!locked) return;
  std::string_view rest = lines_;
  while (!rest.empty()) {
    pollfd ready{fd_, POLLOUT, 0};
    if (::poll(&ready, 1, last_words_ms) <= 0) break;
    // A pipe that is ready takes this much without waiting.
    const ssize_t wrote = ::write(fd_, rest.data(), std::min<std::size_t>(rest.size(), PIPE_BUF));
    if (wrote <= 0) break;
    rest.remove_prefix(static_cast<std::size_t>(wrote));
  }
  adding_.unlock();
}

std::size_t Sink::waiting() const {
  const std::lock_guard lock(adding_);
  return lines_.size();
}

}  // namespace sealpost::log
