// SPDX-License-Identifier: Apache-2.0
//
// The SMTP server of the load sink: sessions, the thread that drives them, and what all threads count
// together. sink.cpp holds the options and the commands.

#pragma once

#include <atomic>
#include <cstdio>
#include <deque>
#include <mutex>
#include <queue>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "end_of_data.hpp"
#include "wire.hpp"

namespace bench {

struct SinkOptions {
  std::vector<std::string> listen;
  unsigned threads = 1;
  std::string hostname = "sink.bench.test";
  std::string certificate, key, record;
  double defer = 0, reject = 0, drop = 0;
  bool greylist = false;
  int delay_ms = 0, late_ms = 0;
  unsigned seed = 1;
};

struct Tally {
  using Counter = std::atomic<std::uint64_t>;
  Counter messages{0}, recipients{0}, bytes{0}, connections{0}, encrypted_connections{0}, resumed{0};
  Counter deferred{0}, rejected{0}, damaged{0};
  std::atomic<std::int64_t> last_delivery{0};
  void reset();
};

// Shared by all threads.
class Reception {
 public:
  explicit Reception(const SinkOptions& chosen);
  ~Reception();
  Reception(const Reception&) = delete;
  Reception& operator=(const Reception&) = delete;

  const SinkOptions& options;
  Tally tally;
  SslContextPtr tls;

  void record(std::string_view lines);
  void flush_record();
  [[nodiscard]] bool recording() const { return record_ != nullptr; }
  bool seen_before(const std::string& recipient);  // and remembers it

 private:
  std::mutex lock_;
  std::FILE* record_ = nullptr;
  std::unordered_set<std::string> greylisted_;
};

class Receiver;

class Guest {
 public:
  Guest(Receiver& receiver, Descriptor fd) : receiver_(&receiver), wire_(std::move(fd)) {}
  bool greet();
  bool ready(bool hang_up);  // false: the connection is over
  bool answer_now();         // the delay is over
  bool speak();              // the oldest of the late replies goes out; false: the connection is over

 private:
  enum class Step { command, text, turning, handshake, waiting };  // turning: to TLS, once 220 is out

  bool take(std::string_view chunk);
  bool take_backlog();
  bool command(std::string_view line);
  bool recipient(std::string_view line);
  std::size_t take_text(std::string_view chunk);
  void end_of_message();
  void accept_message();
  bool flush();
  bool silent() const { return held_.empty() && sending_.empty(); }

  Receiver* receiver_;
  Wire wire_;
  Step step_ = Step::command;
  bool leaving_ = false, cut_ = false;
  EndOfData end_;
  std::size_t size_ = 0;
  std::string out_, backlog_, tail_, sending_;
  std::deque<std::string> held_;  // replies on their late way
  std::vector<std::string> recipients_;
};

// One thread: its listeners, its sessions, its due answers.
class Receiver {
 public:
  explicit Receiver(Reception& reception);
  void run();

  Reception& reception;
  bool chance(double share) { return share > 0 && std::uniform_real_distribution<>()(random_) < share; }
  void answer_later(std::uint64_t guest);
  void speak_later(std::uint64_t guest);
  std::uint64_t current = 0;  // key of the guest being served

 private:
  void take_guests(const Descriptor& listener);
  void serve(std::uint64_t key, bool hang_up);
  int answer_due();

  struct Due {
    std::int64_t at;
    std::uint64_t guest;
    bool late = false;  // a reply is there already
    bool operator>(const Due& other) const { return at > other.at; }
  };
  Poll poll_;
  std::vector<Descriptor> listeners_;
  std::unordered_map<std::uint64_t, Guest> guests_;
  std::uint64_t next_key_ = 1000;  // below: listeners
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::mt19937 random_;
};

}  // namespace bench
