// SPDX-License-Identifier: Apache-2.0
#include "ledger/follower.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/text.hpp"
#include "ledger/kinds.hpp"

namespace sealpost::ledger {
namespace {

// What the sender asks for: by RFC 8689, and with the message at our door.
std::string asked_by(const MessageFlags& flags) {
  std::string all(flags.requiretls ? "requiretls" : flags.tls_required_no ? "tls-required-no" : "");
  if (flags.tls_need == TlsNeed::none) return all;
  return all.append(all.empty() ? "tls-" : " tls-").append(name_of(flags.tls_need));
}

// Of its row; the epoch when the journal does not say.
SystemTime moment_of(const spool::JournalEntry& entry) {
  if (const auto* message = std::get_if<spool::MessageRecord>(&entry.record))
    return message->envelope.arrival == SystemTime{} ? entry.id.time() : message->envelope.arrival;
  if (const auto* outcome = std::get_if<spool::OutcomeRecord>(&entry.record)) return outcome->outcome.when;
  return {};
}

std::string_view id_octets(const std::array<std::uint8_t, 16>& octets) noexcept {
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

}  // namespace

LedgerFollower::LedgerFollower(Store store, unsigned keep_days, RuleHistory rules)
    : store_(std::move(store)), open_(store_), rules_(std::move(rules)), keep_days_(keep_days) {}

Expected<void> LedgerFollower::commit(const spool::Cursor& next,
                                      const std::function<Expected<void>()>& work) {
  std::uint64_t generation = store_.generation();
  notifications_.clear();
  auto done = store_.commit(next, [&]() -> Expected<void> {
    if (generation != store_.generation()) open_.forget();  // opened again on the way here
    if (generation != store_.generation()) rules_changed();
    generation = store_.generation();
    if (auto looked = look_for_changes(); !looked) return looked;
    if (auto worked = work(); !worked) return worked;
    return open_.write();
  });
  if (!done) {
    open_.forget();
    changes_.clear();
    rules_changed();
    pruned_on_.clear();
    counters_.failures.fetch_add(1, std::memory_order_relaxed);
    return done;
  }
  open_.trim();
  counters_.rows.store(static_cast<std::uint64_t>(store_.rows()), std::memory_order_relaxed);
  counters_.commits.fetch_add(1, std::memory_order_relaxed);
  return {};
}

Expected<std::optional<spool::Cursor>> LedgerFollower::cursor() {
  const std::lock_guard lock(mutex_);
  return store_.cursor();
}

// With the place in the journal as it is.
Expected<Erased> LedgerFollower::erase(const std::function<Expected<Erased>()>& work) {
  const std::lock_guard lock(mutex_);
  auto at = store_.cursor();
  if (!at) return at.error();
  if (!*at) return Error(Errc::not_found, "the ledger is empty");
  Erased erased;
  auto done = commit(**at, [&]() -> Expected<void> {
    auto worked = work();
    if (!worked) return worked.error();
    erased = *worked;
    return {};
  });
  if (!done) return done.error();
  return erased;
}

Expected<Erased> LedgerFollower::erase_before(const std::string& date) {
  return erase([&] { return store_.erase_before(date); });
}

Expected<Erased> LedgerFollower::erase_address(const std::string& address) {
  constexpr std::int64_t blocks_at_once = 500;
  Erased all;
  for (std::int64_t from = 1; from != 0;) {
    auto erased = erase([&] { return store_.erase_address(address, from, blocks_at_once, all.rows); });
    if (!erased) return erased;
    all.rows += erased->rows;
    from = erased->next;
  }
  return all;
}

Expected<void> LedgerFollower::apply(const std::vector<spool::JournalEntry>& entries,
                                     const spool::Cursor& next) {
  const std::lock_guard lock(mutex_);
  return commit(next, [&]() -> Expected<void> {
    for (const spool::JournalEntry& entry : entries) {
      if (auto told = tell_changes(moment_of(entry)); !told) return told;
      if (auto taken = take(entry); !taken) return taken;
    }
    if (auto written = write_notifications(nullptr); !written) return written;
    return prune();
  });
}

// Between the two there may have been anything: what is told of messages before is told as far as it is known.
Expected<void> LedgerFollower::missed(const spool::Cursor& from, const spool::Cursor& next,
                                      std::string_view why) {
  const std::lock_guard lock(mutex_);
  return commit(next, [&]() -> Expected<void> {
    // Nothing in an empty ledger says when that was; its first row will tell.
    if (store_.head().day == 0) {
      store_.note_beginning(why);
      return {};
    }
    store_.note_gap();
    auto row = store_.row("missed", store_.last_time());
    if (!row) return row.error();
    row->payload
        .text("from", std::to_string(from.position.segment) + "+" + std::to_string(from.position.offset))
        .text("to", std::to_string(next.position.segment) + "+" + std::to_string(next.position.offset))
        .text("why", why);
    return store_.add(std::move(*row));
  });
}

Expected<void> LedgerFollower::caught_up(const spool::Cursor& at) {
  const std::lock_guard lock(mutex_);
  if (changes_.empty() && !rules_changed_.load(std::memory_order_acquire)) return {};
  return commit(at, [&] { return tell_changes(SystemTime::max()); });
}

// What cannot be read holds up nothing of mail's trail: it is looked for again, and told then.
Expected<void> LedgerFollower::look_for_changes() {
  if (!rules_changed_.exchange(false, std::memory_order_acquire)) return {};
  const auto place = store_.rules_place();
  if (!place) return place.error();
  auto found = rules_.behind(*place);
  if (!found) {
    if (!std::exchange(rules_unreadable_, true))
      log::error("rule_history_unread",
                 {{"why", found.error().detail},
                  {"do", "make the file readable; it is tried again at the next change"}});
    return {};
  }
  rules_unreadable_ = false;
  changes_.assign(std::make_move_iterator(found->begin()), std::make_move_iterator(found->end()));
  return {};
}

Expected<void> LedgerFollower::tell_changes(SystemTime until) {
  while (!changes_.empty() && changes_.front().when <= until) {
    if (auto told = tell_change(changes_.front()); !told) return told;
    changes_.pop_front();
  }
  return {};
}

Expected<void> LedgerFollower::tell_change(const RuleChange& change) {
  // One from before this ledger began, or of a clock that was set back, opens no day of the past.
  const SystemTime time = std::max(store_.last_time(), change.when);
  auto row = store_.row("rules", time);
  if (!row) return row.error();
  store_.note_time(time);
  if (time != change.when) row->payload.number("at", change.when.time_since_epoch().count());
  row->payload.text("what", change.what).text_unless_empty("old", change.before).text("new", change.after);
  row->payload.number("changes", change.changes).number("weaker", change.weaker).number("held", change.held);
  const auto octets = text::from_hex(change.after);
  const std::string digest = octets ? std::string(octets->begin(), octets->end()) : std::string();
  if (auto kept = store_.keep_rules(digest, rules_.set(change.after)); !kept) return kept;
  const auto known = store_.has_rules(digest);
  if (!known) return known.error();
  row->payload.number("set", *known ? 1 : 0);
  const std::string text_digest = sha256_octets(change.text);
  row->payload.text("pf", short_text(text_digest));
  if (auto kept = store_.keep_proof(text_digest, change.text); !kept) return kept.error();
  row->word = rules_word();
  if (auto added = store_.add(std::move(*row)); !added) return added;
  return store_.note_rules_place(change.place);
}

Expected<void> LedgerFollower::take(const spool::JournalEntry& entry) {
  struct Visit {
    LedgerFollower& self;
    const MessageId& id;
    Expected<void> operator()(const spool::MessageRecord& r) const { return self.take_message(id, r); }
    Expected<void> operator()(const spool::OutcomeRecord& r) const {
      return self.take_outcome(id, r.outcome);
    }
    Expected<void> operator()(const spool::HoldRecord& r) const {
      return self.take_word(id, "hold", r.reason);
    }
    Expected<void> operator()(const spool::ReleaseRecord&) const { return self.take_word(id, "release", ""); }
    Expected<void> operator()(const spool::RelocateRecord& r) const { return self.take_relocate(id, r); }
    Expected<void> operator()(const spool::RerouteRecord& r) const { return self.take_reroute(id, r); }
    Expected<void> operator()(const spool::WithdrawRecord&) const { return self.take_withdrawal(id); }
    // Nothing that an auditor could ask for.
    Expected<void> operator()(const spool::BodyPartRecord&) const { return {}; }
    Expected<void> operator()(const spool::AttemptRecord&) const { return {}; }
    Expected<void> operator()(const spool::CleanStopRecord&) const { return {}; }
    Expected<void> operator()(const spool::DrainingRecord&) const { return {}; }
    Expected<void> operator()(const spool::UnknownRecord&) const { return {}; }
  };
  return std::visit(Visit{*this, entry.id}, entry.record);
}

// A notification comes before the outcome that it is about, in the same group.
Expected<void> LedgerFollower::take_message(const MessageId& id, const spool::MessageRecord& record) {
  auto known = open_.find(id);
  if (!known) return known.error();
  if (*known != nullptr) return {};  // as the journal has it: a second record means nothing
  if (record.envelope.message_class == MessageClass::dsn) {
    notifications_.push_back({id, record.envelope});
    return {};
  }
  if (auto written = write_notifications(nullptr); !written) return written;
  store_.note_time(record.envelope.arrival == SystemTime{} ? id.time() : record.envelope.arrival);
  return write_message("accepted", id, record.envelope, nullptr);
}

Expected<void> LedgerFollower::write_message(std::string_view kind, const MessageId& id,
                                             const Envelope& envelope, const MessageId* because_of) {
  const SystemTime when = envelope.arrival == SystemTime{} ? id.time() : envelope.arrival;
  auto row = store_.row(kind, when);
  if (!row) return row.error();
  row->payload.text("id", id.to_string()).number("n", static_cast<std::int64_t>(envelope.recipients.size()));
  if (!envelope.reverse_path.empty())
    row->payload.text("from", short_text(store_.commitment(envelope.reverse_path)));
  row->payload.text_unless_empty("client", envelope.received_from);
  if (!envelope.account.empty()) row->payload.text("by", short_text(store_.commitment(envelope.account)));
  row->payload.text_unless_empty("class", class_of(envelope.message_class));
  row->payload.text_unless_empty("asks", asked_by(envelope.flags));
  if (envelope.not_before != SystemTime{}) row->payload.number("due", to_unix(envelope.not_before));
  if (because_of != nullptr) row->payload.text("for", because_of->to_string());
  if (because_of != nullptr) row->about = key_of(*because_of);
  if (has_message_id(envelope)) {
    row->payload.text("mid", short_text(id_octets(envelope.message_id)));
    row->word = word_of(id_octets(envelope.message_id));
  }
  row->message = key_of(id);
  row->address = envelope.reverse_path;
  if (!envelope.account.empty()) row->address += '\t' + envelope.account;
  if (auto added = store_.add(std::move(*row)); !added) return added;
  store_.note_arrival(id);
  open_.add(id, envelope);
  return {};
}

Expected<void> LedgerFollower::write_notifications(const MessageId* because_of) {
  for (const Notification& one : notifications_)
    if (auto written = write_message("accepted", one.id, one.envelope, because_of); !written) return written;
  notifications_.clear();
  return {};
}

Expected<void> LedgerFollower::take_outcome(const MessageId& id, const spool::Outcome& outcome) {
  if (outcome.when != SystemTime{}) store_.note_time(outcome.when);
  auto known = open_.find(id);
  if (!known) return known.error();
  // What names a message that is not alive means nothing in the journal, unless its beginning was not read.
  const bool unread = *known == nullptr && id.time() < store_.horizon();
  if (*known != nullptr || unread) {
    for (const spool::RecipientOutcome& one : outcome.recipients) {
      const std::string* address = nullptr;
      if (*known != nullptr) {
        const OpenMessage& message = **known;
        if (one.recipient >= message.recipients.size() || message.done[one.recipient]) continue;
        address = &message.recipients[one.recipient];
      }
      if (auto taken = take_recipient(id, outcome, one, address); !taken) return taken;
    }
    for (const spool::RecipientOutcome& one : outcome.recipients)
      if (spool::is_final(one.state)) open_.finish(id, one.recipient);
  }
  return write_notifications(&id);
}

Expected<void> LedgerFollower::take_recipient(const MessageId& id, const spool::Outcome& outcome,
                                              const spool::RecipientOutcome& one,
                                              const std::string* address) {
  auto row = store_.row(kind_of(one.state), outcome.when);
  if (!row) return row.error();
  row->payload.text("id", id.to_string()).number("r", one.recipient);
  if (address != nullptr) {
    const std::string commitment = store_.commitment(*address);
    row->payload.text("to", short_text(commitment));
    row->word = word_of(commitment);
    row->address = *address;
  }
  if (one.answer) {
    row->payload.text_unless_empty("st", one.answer->status)
        .text_unless_empty("mx", one.answer->host)
        .text_unless_empty("ip", one.answer->address);
  }
  row->payload.text("re", without_addresses(one.reply, address != nullptr ? *address : std::string_view()));
  if (one.state == spool::RecipientState::pending) {
    if (outcome.next_attempt != SystemTime{}) row->payload.number("next", to_unix(outcome.next_attempt));
    if (outcome.refused_since != SystemTime{}) row->payload.number("since", to_unix(outcome.refused_since));
  }
  row->message = key_of(id);
  if (one.proof) {
    const std::string_view digest(one.proof->digest.data(), one.proof->digest.size());
    row->payload.text("pf", short_text(digest));
    auto kept = store_.keep_proof(digest, one.proof->text);
    if (!kept) return kept.error();
    if (!*kept) row->payload.number("lost", 1);
    store_.count(digest, kind_of(one.state));
  }
  return store_.add(std::move(*row));
}

// The same message with all that is known of it; new only to a ledger that did not see it come.
Expected<void> LedgerFollower::take_relocate(const MessageId& id, const spool::RelocateRecord& record) {
  auto known = open_.find(id);
  if (!known) return known.error();
  if (*known == nullptr)
    if (auto written = write_message("found", id, record.message.envelope, nullptr); !written) return written;
  for (std::size_t i = 0; i < record.progress.size(); ++i)
    if (spool::is_final(record.progress[i].state)) open_.finish(id, static_cast<std::uint32_t>(i));
  return {};
}

// The journal does not say when: it was after what it says before.
Expected<void> LedgerFollower::take_word(const MessageId& id, std::string_view kind, std::string_view why) {
  auto known = open_.find(id);
  if (!known) return known.error();
  if (*known == nullptr) return {};
  auto row = store_.row(kind, std::max(store_.last_time(), id.time()));
  if (!row) return row.error();
  row->payload.text("id", id.to_string()).text_unless_empty("why", without_addresses(why, ""));
  row->message = key_of(id);
  return store_.add(std::move(*row));
}

Expected<void> LedgerFollower::take_reroute(const MessageId& id, const spool::RerouteRecord& record) {
  auto known = open_.find(id);
  if (!known) return known.error();
  if (*known == nullptr) return {};
  auto row = store_.row("rerouted", std::max(store_.last_time(), id.time()));
  if (!row) return row.error();
  row->payload.text("id", id.to_string()).number("n", static_cast<std::int64_t>(record.recipients.size()));
  row->payload.text("to", record.next_hop);
  row->message = key_of(id);
  return store_.add(std::move(*row));
}

Expected<void> LedgerFollower::take_withdrawal(const MessageId& id) {
  auto known = open_.find(id);
  if (!known) return known.error();
  if (*known == nullptr) return {};
  if (auto told = take_word(id, "withdrawn", ""); !told) return told;
  open_.finish_all(id);
  return {};
}

// Once for each date of the journal.
Expected<void> LedgerFollower::prune() {
  const unsigned keep = keep_days_.load(std::memory_order_relaxed);
  if (keep == 0 || store_.head().day == 0 || store_.head().date == pruned_on_) return {};
  pruned_on_ = store_.head().date;
  const SystemTime oldest = store_.last_time() - std::chrono::days(keep);
  const auto pruned = store_.prune_before(to_utc_day(oldest));
  return pruned ? Expected<void>() : Expected<void>(pruned.error());
}

}  // namespace sealpost::ledger
