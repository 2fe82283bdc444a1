// SPDX-License-Identifier: Apache-2.0
//
// One message, from what a program asked for to its queue id: the same way as one that an account hands in over SMTP, command by
// command (intake/client_handler.hpp), so that senders, limits, header, signatures and spool are the same. All recipients or none.
//
// A key makes it once: the mark goes into the journal with the message, and into injected.db before the message goes to the queue,
// so that a crash at any point leaves either no message, or one whose key is known (ADR 55).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "event/blocking_pool.hpp"
#include "event/wait.hpp"
#include "injection/once_store.hpp"
#include "injection/request.hpp"
#include "intake/client_handler.hpp"

namespace sealpost::injection {

struct Injection {
  Injection() = default;
  Wish wish;
  std::optional<OnceMark> once;
  auth::AccountPtr account;
  IpAddress client;
  std::shared_ptr<const HandshakeFacts> tls;  // null: in clear
};

struct Injected {
  MessageId id;
  bool repeated = false;  // it had been taken before
};

// Of an account's key and of what is asked with it. `key` is 1 to 255 printable octets.
OnceMark once_mark(std::string_view account, std::string_view key, std::string_view content);

class Injector {
 public:
  using Settings = std::function<intake::SettingsPtr()>;
  // What `services` refers to outlives it, and so does `loop`, on which it lives.
  Injector(event::Loop& loop, const intake::Services& services, Settings settings, OnceStore store,
           std::unique_ptr<event::BlockingPool> pool = nullptr);
  ~Injector();

  void recall(const std::vector<spool::StoredMessagePtr>& recovered);  // before anything is taken; blocking
  WishLimits limits() const;                                           // as of now
  // Who asks may give up waiting: what was begun goes on to its end, for what the journal has belongs to the queue.
  event::Task<Expected<Injected, Mistake>> take(Injection injection);

 private:
  using Answer = Expected<Injected, Mistake>;
  class Keeper;   // the sink: what is durable waits in it for its row
  struct OneKey;  // under way
  struct Released;
  event::Task<void> take_to_the_end(Injection injection, event::OneShot<Answer>::Sender whoever_asked);
  event::Task<Answer> take_plain(const Injection& injection);
  event::Task<Answer> take_once(const Injection& injection);
  event::Task<Expected<MessageId, Mistake>> hand_in(const Injection& injection);

  event::Loop& loop_;
  intake::Sink& onward_;
  std::unique_ptr<Keeper> keeper_;
  intake::Worker worker_;
  Settings settings_;
  OnceStore store_;                            // on the pool's thread
  std::unordered_set<std::string> keys_;       // under way
  std::unique_ptr<event::BlockingPool> pool_;  // dies before store_, which it uses
  event::TaskScope scope_;
};

}  // namespace sealpost::injection
