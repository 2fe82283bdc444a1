// SPDX-License-Identifier: Apache-2.0
#include "spool/commit_engine.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "base/planted.hpp"
#include "spool/room.hpp"

namespace sealpost::spool {
namespace {
constexpr std::uint64_t copied_when_busy = 256u << 10;  // per batch, so that mail does not wait for it
constexpr std::uint64_t copied_when_idle = 1u << 20;
constexpr Duration free_pause = std::chrono::seconds(1);
constexpr Duration patience_with_followers = std::chrono::seconds(5);  // while room is short
constexpr std::size_t most_named = 10;                                 // stretches in one alert

JournalWriter::Claim claim_of(const Request& request) noexcept {
  if (request.kind == Request::Kind::relocate) return JournalWriter::Claim::relocation;
  return request.is_fact() ? JournalWriter::Claim::fact : JournalWriter::Claim::mail;
}

}  // namespace

RequestPtr make_withdrawal(const MessageId& id) {
  auto request = std::make_shared<Request>(Request::Kind::withdraw, nullptr);
  request->id = id;
  request->group.push_back(make_record(id, WithdrawRecord()));
  return request;
}

CommitEngine::CommitEngine(Disk& disk, event::BlockingPool& pool, SegmentFiles& files,
                           JournalProgress& progress, const SpoolOptions& options, EngineCounters& counters,
                           Health* health, std::function<void()> wake)
    : disk_(disk),
      files_(files),
      progress_(progress),
      options_(options),
      counters_(counters),
      health_(health),
      marks_(disk),
      writer_(disk, pool, files, marks_, options, health, std::move(wake)),
      relocator_(files, state_, options) {}

Expected<std::vector<StoredMessagePtr>> CommitEngine::start(SystemTime wall) {
  auto recovered = recover(disk_, options_.segment_size, files_, marks_, state_);
  if (!recovered) return recovered.error();
  report(*recovered);
  auto started = writer_.start(*recovered, wall);
  if (!started) return started.error();
  free_segments(SteadyTime{});
  count();
  const auto messages = state_.recovered();
  log::info("journal_recovered", {{"messages", messages.size()},
                                  {"node", writer_.node()},
                                  {"records", recovered->records},
                                  {"segments", files_.count()},
                                  {"damaged", recovered->damaged},
                                  {"torn_octets", recovered->torn}});
  return std::vector<StoredMessagePtr>(messages.begin(), messages.end());
}

// One trouble for what this start found, one for what lies in corrupt/ since whatever start.
void CommitEngine::report(const Recovered& recovered) {
  counters_.damaged.store(recovered.damaged, std::memory_order_relaxed);
  counters_.set_aside.store(recovered.set_aside.size(), std::memory_order_relaxed);
  if (health_ == nullptr) return;
  const auto joined = [](std::string text, const auto& items, auto words, std::uint64_t all) {
    std::size_t named = 0;
    for (const auto& item : items) {
      if (named == most_named) break;
      text += (named++ == 0 ? "" : "; ") + words(item);
    }
    if (all > named) text += "; and " + std::to_string(all - named) + " more, see the log";
    return text;
  };
  if (recovered.damaged > 0)
    health_->raise(
        "journal damage",
        joined(
            "parts of the journal could not be read at the start: ", recovered.damages,
            [](const Damage& damage) { return describe(damage); }, recovered.damaged),
        "look at the disk; `sealpost spool check` says the same; `sealpost spool recover FILE` reads in what "
        "can be read of a file in corrupt/");
  if (!recovered.set_aside.empty())
    health_->raise("journal corrupt/",
                   joined(
                       "the spool keeps what could not be read of its journal: ", recovered.set_aside,
                       [](const std::string& name) { return name; }, recovered.set_aside.size()),
                   "`sealpost spool recover FILE` for each; then move it away, and restart");
  if (!recovered.marks.empty())
    health_->raise("journal mark",
                   "the note of what the journal consists of could not be used: " + recovered.marks,
                   "see whether somebody removed files from the spool directory");
}

bool CommitEngine::commit(std::deque<RequestPtr>& waiting, std::vector<RequestPtr>& done, SteadyTime now,
                          SystemTime wall) {
  writer_.tend(now, wall);
  batch_.clear();
  taken_.clear();
  starved_ = false;
  if (free_again_ && now >= *free_again_) free_segments(now);
  const std::size_t answered_before = done.size();
  std::uint64_t octets = copy_forward(waiting.empty() ? copied_when_idle : copied_when_busy, wall);
  std::deque<RequestPtr> later;
  while (!waiting.empty() && taken_.size() < options_.most_in_batch &&
         octets < options_.most_octets_in_batch) {
    RequestPtr& request = waiting.front();
    const Admission admission = admit(*request, wall);
    if (admission == Admission::full) break;
    if (admission == Admission::taken) {
      octets += request->octets();
      taken_.push_back(std::move(request));
    } else if (admission == Admission::answered) {
      done.push_back(std::move(request));
    } else {
      later.push_back(std::move(request));
    }
    waiting.pop_front();
  }
  waiting.insert(waiting.begin(), std::make_move_iterator(later.begin()),
                 std::make_move_iterator(later.end()));
  const bool moved = !taken_.empty() || done.size() > answered_before;
  Expected<void> written;
  if (!batch_.empty()) {
    const Stopwatch watch(counters_.sync);
    written = writer_.commit(batch_, wall);
    counters_.syncs.fetch_add(1, std::memory_order_relaxed);
  }
  if (written)
    succeed(waiting, done, now);
  else
    fail(written.error(), waiting, done);
  count();
  return moved;
}

CommitEngine::Admission CommitEngine::admit(Request& request, SystemTime wall) {
  // Nobody waits for it any more, and it is not written yet: nothing to withdraw.
  if (request.kind == Request::Kind::store && request.fate.load() == Request::Fate::abandoned)
    return Admission::answered;
  if (!check(request)) return Admission::answered;
  if (request.group.empty()) return Admission::taken;
  const std::size_t octets = request.octets();
  if (octets > writer_.most_in_group()) {
    request.error.emplace(Errc::too_long, "longer than a segment of the journal");
    return Admission::answered;
  }
  const auto room = writer_.room_for(claim_of(request), octets, batch_);
  if (room == JournalWriter::Room::soon) return Admission::later;
  const bool stuck = writer_.state() == JournalWriter::State::waiting;
  if (writer_.state() != JournalWriter::State::unhealthy && (stuck || room == JournalWriter::Room::no)) {
    if (request.is_fact() && !planted(Plant::forget_facts_without_room))
      return starve();  // it has happened, and is not to be forgotten for want of room
    request.error.emplace(Errc::no_space, "the journal is full");
    return Admission::answered;
  }
  if (!batch_.empty() && !batch_.fits(octets)) return Admission::full;
  if (batch_.empty()) {
    auto begun = writer_.begin(batch_, octets, wall);
    if (!begun && begun.error().code == Errc::no_space && request.is_fact()) return starve();
    if (!begun) {
      request.error = begun.error();
      return Admission::answered;
    }
  }
  add(request);
  return Admission::taken;
}

CommitEngine::Admission CommitEngine::starve() {
  starved_ = true;
  return Admission::later;
}

// Against what is alive. False: answered, request.error says so unless there is simply nothing to do.
bool CommitEngine::check(Request& request) {
  const LiveMessage* live = state_.find(request.id);
  switch (request.kind) {
    case Request::Kind::store: {
      const auto& record = std::get<MessageRecord>(request.group.front().record);
      if (live != nullptr)
        request.error.emplace(Errc::exists, "a message with this id is in the spool");
      else if (!state_.has_parts(request.id, record.chunks))
        request.error.emplace(Errc::invalid, "the body names a part that was not written");
      return !request.error;
    }
    case Request::Kind::outcome:
      if (live != nullptr) {
        // A notification that is there already came with a commit whose answer got lost (D-17).
        std::erase_if(request.group, [&](const NewRecord& record) {
          return record.message != nullptr && state_.find(record.id) != nullptr;
        });
      }
      [[fallthrough]];
    case Request::Kind::attempt:
    case Request::Kind::hold:
    case Request::Kind::reroute:
      if (live == nullptr) request.error.emplace(Errc::not_found, "no such message in the spool");
      return live != nullptr;
    case Request::Kind::withdraw: return live != nullptr;
    case Request::Kind::discard:
      state_.discard_parts(request.id);  // those of this batch go when it is applied
      return true;
    case Request::Kind::part:
    case Request::Kind::clean_stop:
    case Request::Kind::draining:
    case Request::Kind::relocate: return true;
  }
  return true;
}

void CommitEngine::add(Request& request) {
  const std::size_t last = request.group.size() - 1;
  for (std::size_t i = 0; i <= last; ++i) {
    NewRecord& record = request.group[i];
    RecordHeader header;
    header.type = static_cast<std::uint8_t>(type_of(record.record));
    header.flags = static_cast<std::uint8_t>((i < last ? record_flag::more_follows : 0) |
                                             (i > 0 ? record_flag::continues : 0) | record.head_flags);
    header.head_crc = record.head_crc;
    header.blob_crc = record.blob_crc;
    header.id = record.id;
    record.place =
        batch_.add(header, record.head, record.blob ? std::string_view(*record.blob) : std::string_view());
  }
}

// At the front of the batch: see Relocator::next.
std::uint64_t CommitEngine::copy_forward(std::uint64_t most, SystemTime wall) {
  std::uint64_t copied = 0;
  while (copied < most && freeing_ && writer_.state() == JournalWriter::State::ready) {
    RequestPtr request = relocator_.next(writer_.current());
    if (!request) break;
    if (admit(*request, wall) != Admission::taken) break;  // it will come again
    relocator_.placed(*request);
    copied += request->octets();
    taken_.push_back(std::move(request));
  }
  return copied;
}

void CommitEngine::succeed(std::deque<RequestPtr>& waiting, std::vector<RequestPtr>& done, SteadyTime now) {
  for (RequestPtr& request : taken_) {
    apply(*request);
    if (request->kind == Request::Kind::store &&
        request->fate.exchange(Request::Fate::committed) == Request::Fate::abandoned)
      waiting.push_front(make_withdrawal(request->id));  // D-06: refused meanwhile
    done.push_back(std::move(request));
  }
  relocator_.committed();
  counters_.groups.fetch_add(taken_.size(), std::memory_order_relaxed);
  counters_.octets.fetch_add(batch_.end() - batch_.start(), std::memory_order_relaxed);
  free_segments(now);
}

// D-07. New mail of the batch is refused; what has happened already is written again, in the new segment.
void CommitEngine::fail(const Error& error, std::deque<RequestPtr>& waiting, std::vector<RequestPtr>& done) {
  counters_.failures.fetch_add(1, std::memory_order_relaxed);
  relocator_.failed();
  for (auto at = taken_.rbegin(); at != taken_.rend(); ++at) {
    RequestPtr& request = *at;
    if (request->kind == Request::Kind::relocate) continue;
    // Once more at most, unless it only waits for room.
    const bool waits = writer_.state() == JournalWriter::State::waiting;
    if (request->is_fact() &&
        (waits || (!request->retried && writer_.state() == JournalWriter::State::ready))) {
      request->retried = !waits;
      waiting.push_front(std::move(request));
    } else {
      request->error = error;
      done.push_back(std::move(request));
    }
  }
}

void CommitEngine::apply(Request& request) {
  if (request.kind == Request::Kind::discard) state_.discard_parts(request.id);
  for (NewRecord& record : request.group) {
    JournalEntry entry;
    entry.id = record.id;
    entry.octets = static_cast<std::uint32_t>(record.octets());
    entry.record = std::move(record.record);
    entry.blob = record.place;
    entry.message = record.message;
    if (state_.apply(std::move(entry)) == JournalState::Effect::appeared && record.message) {
      counters_.messages.fetch_add(1, std::memory_order_relaxed);
      request.appeared.push_back(std::move(record.message));
    }
    record.blob.reset();
  }
}

void CommitEngine::free_segments(SteadyTime now) {
  free_again_.reset();
  while (freeing_ && files_.count() > 0 && files_.oldest() != writer_.current() &&
         may_go(files_.oldest(), now)) {
    const auto freed = writer_.free_oldest(now);
    freeing_ = freed != JournalWriter::Freed::never;
    if (!freeing_ && health_ != nullptr)
      health_->raise("journal segments", "a segment that is not needed any more could not be freed",
                     "check the disk, then restart sealpost; until then the journal only grows");
    if (freed == JournalWriter::Freed::done) continue;
    if (freed == JournalWriter::Freed::later) free_again_ = now + free_pause;
    return;
  }
}

// Nothing lives in it, and who follows the journal has read it. Beyond the bound it goes unread, and when room has been short for
// some time, one after the other: mail is taken rather than recorded.
bool CommitEngine::may_go(std::uint64_t segment, SteadyTime now) {
  if (!state_.is_free(segment) && !planted(Plant::free_segment_too_early)) return false;
  if (!progress_.is_unread(segment) || planted(Plant::free_unread)) return true;
  free_again_ = now + free_pause;
  const bool too_long = (writer_.current() - segment) * options_.segment_size >= options_.follower_bound;
  if (!too_long && !short_for_long(now)) return false;
  counters_.freed_unread.fetch_add(1, std::memory_order_relaxed);
  log::error("journal_freed_unread",
             {{"segment", segment}, {"why", too_long ? "the bound is reached" : "room is short"}});
  return true;
}

// True once for each time of it: what was freed then may be enough.
bool CommitEngine::short_for_long(SteadyTime now) {
  if (now < room_look_at_) return false;
  room_look_at_ = now + free_pause;
  const bool is_short = writer_.state() == JournalWriter::State::waiting || !room_on(disk_, options_, 0);
  if (!is_short) short_since_.reset();
  if (is_short && !short_since_) short_since_ = now;
  return is_short && now - *short_since_ >= patience_with_followers;
}

std::optional<SteadyTime> CommitEngine::retry_at() const noexcept {
  const bool stuck = starved_ || writer_.state() == JournalWriter::State::waiting;
  std::optional<SteadyTime> at = stuck ? writer_.retry_at() : std::nullopt;
  if (free_again_ && (!at || *free_again_ < *at)) at = free_again_;
  return at;
}

void CommitEngine::count() {
  counters_.segments.store(files_.count(), std::memory_order_relaxed);
  counters_.live_messages.store(state_.live_messages(), std::memory_order_relaxed);
  const bool unhealthy = writer_.state() == JournalWriter::State::unhealthy;
  const bool waiting = !unhealthy && (starved_ || writer_.state() == JournalWriter::State::waiting);
  counters_.healthy.store(!unhealthy && !waiting, std::memory_order_relaxed);
  counters_.waiting.store(waiting, std::memory_order_relaxed);
  progress_.durable_to(Cursor{writer_.node(), Position{writer_.current(), writer_.end()}});
}

}  // namespace sealpost::spool
