// SPDX-License-Identifier: Apache-2.0
#include "spool/journal_spool.hpp"

#include <algorithm>
#include <utility>

#include "base/planted.hpp"
#include "spool/body_reader.hpp"
#include "spool/record_codec.hpp"
#include "spool/room.hpp"

namespace sealpost::spool {
namespace {

constexpr Duration follow_at_stop = std::chrono::seconds(2);

Error closed_error() { return Error(Errc::unavailable, "the spool is closed"); }

Expected<void> check_message(const NewMessage& message) {
  if (message.body.size() > max_part)
    return Error(Errc::too_long, "body to be written in parts: see append_body()");
  return check_bounds(message.envelope);
}

RequestPtr draining_mark() {
  auto mark = std::make_shared<Request>(Request::Kind::draining, nullptr);
  mark->group.push_back(make_record(MessageId(), DrainingRecord()));
  return mark;
}

}  // namespace

// D-06: whoever stops waiting has not answered 250, so what the disk took nevertheless is withdrawn.
class JournalSpool::StoreGuard {
 public:
  StoreGuard(JournalSpool& spool, RequestPtr request) noexcept
      : spool_(spool), request_(std::move(request)) {}
  StoreGuard(const StoreGuard&) = delete;
  StoreGuard& operator=(const StoreGuard&) = delete;
  ~StoreGuard() {
    if (taken_ || request_->fate.exchange(Request::Fate::abandoned) != Request::Fate::committed) return;
    spool_.submit(make_withdrawal(request_->id));
  }
  void taken() noexcept { taken_ = true; }

 private:
  JournalSpool& spool_;
  RequestPtr request_;
  bool taken_ = false;
};

JournalSpool::JournalSpool(Disk& disk, Driver& driver, event::BlockingPool& pool, const SpoolOptions& options,
                           Health* health)
    : disk_(disk),
      driver_(driver),
      pool_(pool),
      options_(options),
      files_(std::make_shared<SegmentFiles>(disk)),
      engine_(disk, pool, *files_, progress_, options_, counters_, health, [&driver] { driver.wake(); }),
      window_(options.window),
      fresh_octets_(std::make_shared<std::atomic<std::uint64_t>>(0)) {}

Expected<std::unique_ptr<JournalSpool>> JournalSpool::open(Disk& disk, Driver& driver,
                                                           event::BlockingPool& pool,
                                                           const SpoolOptions& options, Health* health,
                                                           const std::vector<FollowerOnDriver>& followers) {
  if (options.segment_size % page_size != 0 || options.segment_size < 8 * page_size)
    return Error(Errc::invalid, "a segment is 8 pages at least, and whole pages");
  std::unique_ptr<JournalSpool> spool(new JournalSpool(disk, driver, pool, options, health));
  for (const FollowerOnDriver& who : followers)
    spool->followings_.push_back(std::make_unique<Following>(
        who, *spool->files_, spool->progress_, spool->options_, health, [&driver] { driver.wake(); }));
  auto recovered = spool->engine_.start(driver.wall());
  if (!recovered) return recovered.error();
  spool->recovered_ = std::move(*recovered);
  driver.start([raw = spool.get()](SteadyTime now) { return raw->turn(now); });
  for (const auto& following : spool->followings_) following->start();
  return spool;
}

JournalSpool::~JournalSpool() {
  for (const auto& following : followings_) following->stop();
  driver_.stop();
}

void JournalSpool::drain() {
  if (planted(Plant::count_drained_attempts)) return;
  if (!draining_.exchange(true)) submit(draining_mark());
}

void JournalSpool::close() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(closed_, true)) return;
  }
  driver_.stop();
  take_inbox();  // from here on this thread is the only one
  auto stop = std::make_shared<Request>(Request::Kind::clean_stop, nullptr);
  stop->group.push_back(make_record(MessageId(), CleanStopRecord()));
  const RequestPtr stop_noted = stop;
  waiting_.push_back(std::move(stop));
  bool made = false;
  while (!waiting_.empty()) {
    if (engine_.commit(waiting_, done_, driver_.now(), driver_.wall())) continue;
    // What has happened waits for a segment that somebody else is making: without it mail would go out twice (D-16).
    if (std::exchange(made, true) || !engine_.make_room()) break;
  }
  if (waiting_.empty() && !stop_noted->error) engine_.note_clean_stop();
  for (RequestPtr& request : waiting_) {
    request->error = closed_error();
    done_.push_back(std::move(request));
  }
  waiting_.clear();
  answer();
  for (const auto& following : followings_) following->stop();
  for (const auto& following : followings_) following->finish(follow_at_stop);
}

std::optional<SteadyTime> JournalSpool::turn(SteadyTime now) {
  take_inbox();
  if (!waiting_.empty()) {
    const SteadyTime due = window_.due(now, waiting_.size(), engine_.full());
    if (due > now) {
      const std::lock_guard lock(mutex_);
      wake_at_ = window_.enough() - waiting_.size();  // due() answers now when there are enough
      if (inbox_.size() < wake_at_) return due;
    }
    take_inbox();
  }
  // Behind all that is committed from now on, so that a kill finds it last.
  if (draining_ && !waiting_.empty() && waiting_.back()->kind != Request::Kind::draining)
    waiting_.push_back(draining_mark());
  const std::size_t before = waiting_.size();
  const bool moved = engine_.commit(waiting_, done_, now, driver_.wall());
  if (moved && before > 0) window_.committed(now, done_.size());
  answer();
  if (!moved) return engine_.retry_at();
  return now;
}

void JournalSpool::take_inbox() {
  const std::lock_guard lock(mutex_);
  wake_at_ = 1;
  waiting_.insert(waiting_.end(), std::make_move_iterator(inbox_.begin()),
                  std::make_move_iterator(inbox_.end()));
  inbox_.clear();
}

bool JournalSpool::submit(RequestPtr request) {
  bool wakes = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    inbox_.push_back(std::move(request));
    wakes = inbox_.size() == wake_at_;
  }
  if (wakes) driver_.wake();
  return true;
}

// One post per loop, whatever the number of sessions on it that wait.
void JournalSpool::answer() {
  std::vector<std::pair<event::Loop*, std::vector<RequestPtr>>> by_loop;
  for (RequestPtr& request : done_) {
    if (request->home == nullptr) continue;
    auto at = std::find_if(by_loop.begin(), by_loop.end(),
                           [&](const auto& one) { return one.first == request->home; });
    if (at == by_loop.end()) at = by_loop.emplace(by_loop.end(), request->home, std::vector<RequestPtr>());
    at->second.push_back(std::move(request));
  }
  done_.clear();
  for (auto& [loop, requests] : by_loop) {
    loop->post([answered = std::move(requests)] {
      for (const RequestPtr& request : answered)
        if (request->wait != nullptr) request->wait->answer();
    });
  }
}

Expected<void> JournalSpool::room_for(std::uint64_t size) const {
  if (counters_.waiting.load(std::memory_order_relaxed))
    return Error(Errc::no_space, "the journal waits for room or descriptors, and goes on by itself");
  if (!healthy()) return Error(Errc::unavailable, "the journal is unhealthy; check the disk and restart");
  return room_on(disk_, options_, size);
}

// The body stays in memory until the first attempts are over, as long as all such bodies keep under their
// limit.
std::shared_ptr<const std::string> JournalSpool::keep(std::string body) {
  const std::uint64_t size = body.size();
  fresh_octets_->fetch_add(size, std::memory_order_relaxed);
  return std::shared_ptr<const std::string>(new std::string(std::move(body)),
                                            [octets = fresh_octets_, size](const std::string* kept) {
                                              delete kept;
                                              octets->fetch_sub(size, std::memory_order_relaxed);
                                            });
}

NewRecord JournalSpool::message_record(NewMessage message) {
  auto stored = std::make_shared<StoredMessage>();
  stored->id = message.id;
  MessageRecord record;
  record.envelope = std::move(message.envelope);
  record.chunks = std::move(message.chunks);
  const bool whole = record.chunks.empty();
  std::shared_ptr<const std::string> body;
  if (!message.body.empty() || whole) body = keep(std::move(message.body));
  BodyPlace::View view;
  if (whole && fresh_octets_->load(std::memory_order_relaxed) <= options_.fresh_limit) view.fresh = body;
  stored->body->set(std::move(view));
  NewRecord made = make_record(stored->id, std::move(record), std::move(body));
  stored->envelope = std::move(std::get<MessageRecord>(made.record).envelope);
  made.message = std::move(stored);
  return made;
}

event::Task<Expected<Extent>> JournalSpool::append_body(event::Loop& home, MessageId id, std::string bytes) {
  if (bytes.empty() || bytes.size() > max_part)
    co_return Error(Errc::invalid, "a part of 1 octet to 4 MiB is wanted");
  auto request = std::make_shared<Request>(Request::Kind::part, &home);
  request->id = id;
  auto blob = std::make_shared<const std::string>(std::move(bytes));
  request->group.push_back(make_record(id, BodyPartRecord(), std::move(blob)));
  CommitWait wait(home, request, options_.commit_limit);
  const bool open = submit(request);
  if (!open) co_return closed_error();
  co_await wait;
  if (!wait.answered()) co_return Error(Errc::timed_out, "the disk does not answer");
  if (request->error) co_return *request->error;
  co_return request->group.front().place;
}

void JournalSpool::discard(MessageId id) noexcept {
  auto request = std::make_shared<Request>(Request::Kind::discard, nullptr);
  request->id = id;
  submit(std::move(request));
}

// The message that this request brings into the spool, once it is synced.
event::Task<Expected<StoredMessagePtr>> JournalSpool::stored_by(event::Loop& home, RequestPtr request) {
  StoreGuard guard(*this, request);
  CommitWait wait(home, request, options_.commit_limit);
  const bool open = submit(request);
  if (!open) co_return closed_error();
  co_await wait;
  if (!wait.answered()) co_return Error(Errc::timed_out, "the disk does not answer");
  guard.taken();
  if (request->error) co_return *request->error;
  if (request->appeared.empty()) co_return Error(Errc::exists, "a message with this id is in the spool");
  co_return request->appeared.front();
}

event::Task<Expected<StoredMessagePtr>> JournalSpool::store(event::Loop& home, NewMessage message) {
  auto checked = check_message(message);
  if (!checked) co_return checked.error();
  auto request = std::make_shared<Request>(Request::Kind::store, &home);
  request->id = message.id;
  request->group.push_back(message_record(std::move(message)));
  auto stored = co_await stored_by(home, std::move(request));
  co_return stored;
}

// One group: at no time is it there and not held.
event::Task<Expected<StoredMessagePtr>> JournalSpool::store_held(event::Loop& home, NewMessage message,
                                                                 std::vector<RecipientState> states,
                                                                 std::string reason) {
  while (message.body.size() > max_part) {
    std::string part = message.body.substr(0, max_part);
    auto placed = co_await append_body(home, message.id, std::move(part));
    if (!placed) {
      discard(message.id);
      co_return placed.error();
    }
    message.chunks.push_back(*placed);
    message.chunk_octets += max_part;
    message.body.erase(0, max_part);
  }
  auto checked = check_message(message);
  if (!checked) co_return checked.error();
  auto request = std::make_shared<Request>(Request::Kind::store, &home);
  request->id = message.id;
  OutcomeRecord settled;
  settled.outcome.id = message.id;
  for (std::uint32_t i = 0; i < states.size(); ++i) settled.outcome.recipients.emplace_back(i, states[i], "");
  HoldRecord held;
  held.reason = reason;
  request->group.push_back(message_record(std::move(message)));
  request->group.push_back(make_record(request->id, std::move(settled)));
  request->group.push_back(make_record(request->id, std::move(held)));
  const auto stored = co_await stored_by(home, request);
  if (!stored) {
    discard(request->id);  // the parts of its body keep no segment alive
    co_return stored.error();
  }
  auto copy = std::make_shared<StoredMessage>(**stored);  // as a start would find it
  copy->held = true;
  copy->hold_reason = std::move(reason);
  for (std::size_t i = 0; i < copy->progress.size() && i < states.size(); ++i) {
    copy->progress[i].state = states[i];
    copy->progress[i].attempting = false;
  }
  co_return StoredMessagePtr(std::move(copy));
}

// However long it takes.
event::Task<Expected<void>> JournalSpool::committed(event::Loop& home, RequestPtr request) {
  CommitWait wait(home, request, std::nullopt);
  const bool open = submit(request);
  if (!open) co_return closed_error();
  co_await wait;
  if (request->error) co_return *request->error;
  co_return Expected<void>();
}

event::Task<Expected<void>> JournalSpool::begin_attempt(event::Loop& home, MessageId id,
                                                        std::vector<std::uint32_t> recipients) {
  auto request = std::make_shared<Request>(Request::Kind::attempt, &home);
  request->id = id;
  AttemptRecord record;
  record.recipients = std::move(recipients);
  request->group.push_back(make_record(id, std::move(record)));
  co_return co_await committed(home, std::move(request));
}

event::Task<Expected<std::vector<StoredMessagePtr>>> JournalSpool::finish_attempt(
    event::Loop& home, Outcome outcome, std::vector<NewMessage> dsns) {
  auto request = std::make_shared<Request>(Request::Kind::outcome, &home);
  request->id = outcome.id;
  for (NewMessage& dsn : dsns) {
    auto checked = check_message(dsn);
    if (!checked) co_return checked.error();
    request->group.push_back(message_record(std::move(dsn)));
  }
  OutcomeRecord record;
  record.outcome = std::move(outcome);
  request->group.push_back(make_record(request->id, std::move(record)));
  CommitWait wait(home, request, std::nullopt);
  const bool open = submit(request);
  if (!open) co_return closed_error();
  co_await wait;
  if (request->error) co_return *request->error;
  co_return std::move(request->appeared);
}

event::Task<Expected<void>> JournalSpool::hold(event::Loop& home, MessageId id, bool held,
                                               std::string reason) {
  auto request = std::make_shared<Request>(Request::Kind::hold, &home);
  request->id = id;
  Record record;
  if (held) {
    HoldRecord with_reason;
    with_reason.reason = std::move(reason);
    record = std::move(with_reason);
  } else {
    record = ReleaseRecord();
  }
  request->group.push_back(make_record(id, std::move(record)));
  co_return co_await committed(home, std::move(request));
}

event::Task<Expected<void>> JournalSpool::reroute(event::Loop& home, MessageId id,
                                                  std::vector<std::uint32_t> recipients,
                                                  std::string next_hop) {
  if (next_hop.size() > max_text) co_return Error(Errc::too_long, "next hop longer than the spool keeps");
  auto request = std::make_shared<Request>(Request::Kind::reroute, &home);
  request->id = id;
  RerouteRecord record;
  record.recipients = std::move(recipients);
  record.next_hop = std::move(next_hop);
  request->group.push_back(make_record(id, std::move(record)));
  co_return co_await committed(home, std::move(request));
}

std::unique_ptr<BodyReader> JournalSpool::open(event::Loop& home, StoredMessagePtr message) {
  return std::make_unique<JournalBodyReader>(home, pool_, files_, std::move(message));
}

std::vector<StoredMessagePtr> JournalSpool::take_recovered() { return std::move(recovered_); }

std::vector<FollowerStatus> JournalSpool::followers() const {
  std::vector<FollowerStatus> all;
  for (const auto& following : followings_) all.push_back(following->status());
  return all;
}

Spool::Counters JournalSpool::counters() const {
  Counters all;
  all.messages = counters_.messages.load(std::memory_order_relaxed);
  all.groups = counters_.groups.load(std::memory_order_relaxed);
  all.syncs = counters_.syncs.load(std::memory_order_relaxed);
  all.octets = counters_.octets.load(std::memory_order_relaxed);
  all.failures = counters_.failures.load(std::memory_order_relaxed);
  all.segments = counters_.segments.load(std::memory_order_relaxed);
  all.damaged = counters_.damaged.load(std::memory_order_relaxed);
  all.set_aside = counters_.set_aside.load(std::memory_order_relaxed);
  all.live_messages = counters_.live_messages.load(std::memory_order_relaxed);
  return all;
}

}  // namespace sealpost::spool
