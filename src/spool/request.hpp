// SPDX-License-Identifier: Apache-2.0
//
// Request: what a session asks of the spool, on its way to the thread that commits and back to its loop.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "event/wait.hpp"
#include "spool/record.hpp"

namespace sealpost::spool {

// A record to be written; its head is encoded and summed where it was made, not on the spool's thread.
struct NewRecord {
  NewRecord() = default;
  MessageId id;
  Record record;
  std::string head;
  std::uint8_t head_flags = 0;  // as in EncodedHead
  std::uint32_t head_crc = 0;
  std::shared_ptr<const std::string> blob;
  std::uint32_t blob_crc = 0;
  std::shared_ptr<StoredMessage> message;  // of message records: what the caller gets
  Extent place;                            // where the blob was put
  std::size_t octets() const noexcept;     // footprint
};
NewRecord make_record(const MessageId& id, Record record, std::shared_ptr<const std::string> blob = nullptr);

struct Request;
using RequestPtr = std::shared_ptr<Request>;

// co_await: until the commit has an answer, or `limit` has passed (then answered() is false).
class CommitWait final : public event::Waiter, private event::Timer {
 public:
  CommitWait(event::Loop& home, RequestPtr request, std::optional<Duration> limit) noexcept;
  ~CommitWait();
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle);
  void await_resume() const noexcept {}
  bool answered() const noexcept { return answered_; }
  void answer() noexcept;  // own loop

 private:
  RequestPtr request_;
  std::optional<Duration> limit_;
  bool answered_ = false;
};

struct Request {
  enum class Kind : std::uint8_t {
    store,
    part,
    attempt,
    outcome,
    hold,
    reroute,
    withdraw,
    discard,
    clean_stop,
    draining,
    relocate
  };
  // What became of the one who waits. Exactly one side sees that a message was committed for nobody.
  enum class Fate : std::uint8_t { waiting, abandoned, committed };

  Request(Kind kind_, event::Loop* home_) noexcept : kind(kind_), home(home_) {}
  // Says what has happened, rather than bringing something new.
  bool is_fact() const noexcept {
    return kind != Kind::store && kind != Kind::part && kind != Kind::relocate;
  }
  std::size_t octets() const noexcept;

  const Kind kind;
  event::Loop* const home;  // null: nobody waits
  MessageId id;
  std::vector<NewRecord> group;  // one group, in order
  bool retried = false;          // its first commit failed (D-07)
  CommitWait* wait = nullptr;    // home loop only
  std::atomic<Fate> fate{Fate::waiting};

  // The answer, written before it is posted.
  std::optional<Error> error;
  std::vector<StoredMessagePtr> appeared;  // messages that are alive through this
};

}  // namespace sealpost::spool
