// SPDX-License-Identifier: Apache-2.0
//
// The journal's follower behind webhooks: which records become which events (docs/webhooks.md, Events), in the words that the
// ledger has for them. What an event says is a function of the journal alone.
#pragma once

#include <functional>

#include "spool/follower.hpp"
#include "webhooks/store.hpp"

namespace sealpost::webhooks {

class WebhookFollower final : public spool::Follower {
 public:
  // `news` is called on its thread when there are new events; both outlive it.
  WebhookFollower(Store& store, std::function<void()> news) : store_(store), news_(std::move(news)) {}

  std::string_view name() const noexcept override { return "webhooks"; }
  bool idle() const noexcept override { return store_.idle(); }
  Expected<std::optional<spool::Cursor>> cursor() override { return store_.cursor(); }
  Expected<void> apply(const std::vector<spool::JournalEntry>& entries, const spool::Cursor& next) override;
  Expected<void> missed(const spool::Cursor& from, const spool::Cursor& next, std::string_view why) override;

 private:
  struct Place;
  Expected<void> take(const Place& place, const spool::JournalEntry& entry);
  Expected<void> take_message(const Place& place, const spool::MessageRecord& record);
  Expected<void> take_outcome(const Place& place, const spool::Outcome& outcome);
  Expected<void> take_recipient(const Place& place, const spool::Outcome& outcome, std::size_t index,
                                const OpenMessage* message);
  Expected<void> take_relocate(const Place& place, const spool::RelocateRecord& record);
  Expected<void> take_word(const Place& place, std::string_view kind, Json body);
  Expected<void> take_withdrawal(const Place& place);

  Store& store_;
  const std::function<void()> news_;
};

}  // namespace sealpost::webhooks
