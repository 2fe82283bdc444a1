// SPDX-License-Identifier: Apache-2.0
//
// Where log lines go. Until write_in_background() whoever flushes writes, and waits for it. From then on a thread of
// its own writes and nobody else ever waits: lines are kept in memory up to `most_waiting` octets, what comes on top is
// counted, and "log_dropped lines=N" stands where it is missing as soon as something is written again. A disk that is
// full or a pipe that nobody reads is tried until it takes lines again; a pipe without a reader takes them away.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/handles.hpp"
#include "base/log.hpp"

namespace sealpost::log {

class Sink {
 public:
  static constexpr std::size_t most_waiting = 4u << 20;  // as much again may be on its way to the descriptor
  static constexpr std::size_t flush_at = 64u << 10;

  // Lines about the log itself, as the log writes them.
  using Note = std::string (*)(Level level, std::string_view event, Fields fields);
  explicit Sink(Note note) : note_(note) {}

  void use(int fd);                                 // borrowed
  void use(FileDescriptor file, std::string path);  // owned, and what reopen() opens
  void add(std::string_view line, bool urgent);
  void flush() noexcept;
  // All that was added before has been written, or given up, or the time is over.
  bool finish(Duration limit) noexcept;
  void write_in_background();
  void reopen() noexcept;
  // In a process that is about to die by a signal: what can be had without waiting for anybody.
  void last_words() noexcept;

  std::uint64_t dropped() const noexcept { return dropped_in_all_.load(std::memory_order_relaxed); }
  std::size_t waiting() const;

 private:
  void write_here() noexcept;
  void run() noexcept;
  bool take_lines() noexcept;
  void write_all(std::string_view bytes, bool patient) noexcept;
  void open_again() noexcept;
  void lost(std::string_view bytes) noexcept;

  const Note note_;
  mutable std::mutex adding_;  // guards what follows; never held while anything is written
  std::condition_variable wanted_;
  std::condition_variable written_;
  std::string lines_;
  std::uint64_t dropped_ = 0;  // since the last note
  bool hand_over_ = false;     // write what is there
  bool reopen_ = false;
  std::string path_;
  std::uint64_t added_ = 0;  // octets, since start
  std::uint64_t gone_ = 0;   // of these: written or given up
  std::uint64_t on_its_way_ = 0;

  std::mutex writing_;  // one writes: whoever flushes, or the thread
  std::string going_out_;
  std::atomic<int> fd_{2};
  FileDescriptor file_;
  std::atomic<bool> background_{false};
  std::atomic<bool> busy_{false};  // the thread has lines in hand
  std::atomic<bool> any_{false};   // lines_ is not empty: a look without a lock
  std::atomic<std::uint64_t> dropped_in_all_{0};
};

}  // namespace sealpost::log
