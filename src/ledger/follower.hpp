// SPDX-License-Identifier: Apache-2.0
//
// The journal's follower that keeps the ledger: which records become which rows (docs/ledger.md, Rows). The rows are a function
// of the journal alone, and of what was read of it before; no clock is asked. Changes of the rules in force come from their history
// (rule_history.hpp), each before the first row of a later time.
#pragma once

#include <atomic>
#include <deque>
#include <mutex>
#include <vector>

#include "ledger/open_messages.hpp"
#include "ledger/store.hpp"
#include "spool/follower.hpp"

namespace sealpost::ledger {

class LedgerFollower final : public spool::Follower {
 public:
  // Days that ended so many days before the newest row are pruned; 0: none.
  LedgerFollower(Store store, unsigned keep_days, RuleHistory rules = {});

  std::string_view name() const noexcept override { return "ledger"; }
  Expected<std::optional<spool::Cursor>> cursor() override;
  Expected<void> apply(const std::vector<spool::JournalEntry>& entries, const spool::Cursor& next) override;
  Expected<void> missed(const spool::Cursor& from, const spool::Cursor& next, std::string_view why) override;
  Expected<void> caught_up(const spool::Cursor& at) override;

  // The history of rules says more than before; called before anything is judged by what it says. Any thread.
  void rules_changed() noexcept { rules_changed_.store(true, std::memory_order_release); }

  // Any thread; waits for what is being written, and for the disk. The journal goes on between the pieces of a long one.
  Expected<Erased> erase_before(const std::string& date);
  Expected<Erased> erase_address(const std::string& address);

  void set_keep_days(unsigned days) noexcept { keep_days_.store(days, std::memory_order_relaxed); }

  struct Counters {
    std::atomic<std::uint64_t> rows{0};  // the number of the last one
    std::atomic<std::uint64_t> commits{0}, failures{0};
  };
  const Counters& counters() const noexcept { return counters_; }  // any thread

 private:
  Expected<Erased> erase(const std::function<Expected<Erased>()>& work);
  Expected<void> commit(const spool::Cursor& next, const std::function<Expected<void>()>& work);
  Expected<void> take(const spool::JournalEntry& entry);
  Expected<void> take_message(const MessageId& id, const spool::MessageRecord& record);
  Expected<void> take_outcome(const MessageId& id, const spool::Outcome& outcome);
  Expected<void> take_recipient(const MessageId& id, const spool::Outcome& outcome,
                                const spool::RecipientOutcome& one, const std::string* address);
  Expected<void> take_relocate(const MessageId& id, const spool::RelocateRecord& record);
  Expected<void> take_word(const MessageId& id, std::string_view kind, std::string_view why);
  Expected<void> take_reroute(const MessageId& id, const spool::RerouteRecord& record);
  Expected<void> take_withdrawal(const MessageId& id);
  Expected<void> write_message(std::string_view kind, const MessageId& id, const Envelope& envelope,
                               const MessageId* because_of);
  Expected<void> write_notifications(const MessageId* because_of);
  Expected<void> look_for_changes();
  Expected<void> tell_changes(SystemTime until);
  Expected<void> tell_change(const RuleChange& change);
  Expected<void> prune();

  struct Notification {
    MessageId id;
    Envelope envelope;
  };
  std::mutex mutex_;  // guards what follows, but for the counters
  Store store_;
  OpenMessages open_;
  std::vector<Notification> notifications_;  // of the group that is being read, before its outcome
  RuleHistory rules_;
  std::atomic<bool> rules_changed_{true};
  bool rules_unreadable_ = false;   // said in the log
  std::deque<RuleChange> changes_;  // of rules, not told yet, in their order
  std::atomic<unsigned> keep_days_;
  std::string pruned_on_;  // the date at which it was last looked what to prune
  Counters counters_;
};

}  // namespace sealpost::ledger
