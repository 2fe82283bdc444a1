// SPDX-License-Identifier: Apache-2.0
#include "spool/relocator.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "spool/crc32c.hpp"

namespace sealpost::spool {
namespace {
constexpr std::uint64_t most_per_live_octet = 3;  // journal against live octets
constexpr std::uint64_t free_segments = 4;        // not worth moving anything for
}  // namespace

bool Relocator::worth_while() const {
  const std::uint64_t journal = std::uint64_t{files_.count()} * options_.segment_size;
  return journal > most_per_live_octet * state_.live_octets() + free_segments * options_.segment_size;
}

RequestPtr Relocator::next(std::uint64_t current_segment) {
  while (job_ || (worth_while() && choose(current_segment)))
    if (RequestPtr request = next_of_job()) return request;
  return nullptr;
}

// The next message of the oldest segment. Looks through all live messages once per segment, and again when
// another segment has been filled meanwhile: parts may have become a message.
bool Relocator::choose(std::uint64_t current_segment) {
  const std::uint64_t oldest = files_.oldest();
  if (oldest == current_segment) return false;
  if (oldest != segment_ || (ids_.empty() && chosen_at_ != current_segment)) {
    segment_ = oldest;
    chosen_at_ = current_segment;
    const auto ids = state_.messages_in(oldest);
    ids_.assign(ids.begin(), ids.end());
    // What is copied by the batch that is being made looks as if it were not: a second copy of it that came to nothing
    // would take the parts of the first one along.
    std::erase_if(ids_, [this](const MessageId& id) {
      return std::find(in_batch_.begin(), in_batch_.end(), id) != in_batch_.end();
    });
  }
  if (ids_.empty()) return false;
  job_.emplace();
  job_->id = ids_.front();
  ids_.pop_front();
  if (const LiveMessage* live = state_.find(job_->id)) job_->from = live->message->body->look().extents;
  return true;
}

RequestPtr Relocator::next_of_job() {
  const LiveMessage* live = state_.find(job_->id);
  if (live == nullptr) {  // finished meanwhile
    state_.discard_parts(job_->id);
    job_.reset();
    return nullptr;
  }
  if (job_->from.size() <= 1) return finish_job(*live);
  if (job_->to.size() < job_->from.size()) return part(job_->from[job_->to.size()]);
  return finish_job(*live);
}

RequestPtr Relocator::part(const Extent& extent) {
  auto blob = read(extent);
  if (!blob) return nullptr;
  auto request = std::make_shared<Request>(Request::Kind::relocate, nullptr);
  request->id = job_->id;
  request->group.push_back(make_record(job_->id, BodyPartRecord(), std::move(blob)));
  return request;
}

RequestPtr Relocator::finish_job(const LiveMessage& live) {
  RelocateRecord record;
  record.message.envelope = live.message->envelope;
  record.message.chunks = job_->to;
  record.progress = live.progress;
  record.held = live.held;
  record.hold_reason = live.hold_reason();
  record.last_reply = live.last_reply();
  record.last_answer = live.last_answer();
  record.message.unknown = live.unknown();
  std::shared_ptr<const std::string> blob;
  if (job_->from.size() == 1) {
    blob = read(job_->from.front());
    if (!blob) return nullptr;
  }
  auto request = std::make_shared<Request>(Request::Kind::relocate, nullptr);
  request->id = job_->id;
  request->group.push_back(make_record(job_->id, std::move(record), std::move(blob)));
  if (live.notes)
    for (const Reroute& reroute : live.notes->reroutes)
      request->group.push_back(make_record(job_->id, RerouteRecord{reroute.recipients, reroute.next_hop}));
  return request;
}

std::shared_ptr<const std::string> Relocator::read(const Extent& extent) {
  auto file = files_.open(extent.segment);
  if (!file) {
    give_up(file.error().detail);
    return nullptr;
  }
  auto octets = std::make_shared<std::string>(extent.length, '\0');
  auto read = read_full(**file, extent.offset, *octets);
  if (read && *read == extent.length && crc32c(0, *octets) == extent.crc) return octets;
  give_up(read ? "its body is damaged" : read.error().detail);
  return nullptr;
}

// The message stays where it is, and with it the segment. Whoever reads the body next will say the same.
void Relocator::give_up(std::string_view why) {
  log::error("journal_not_copied_forward",
             {{"id", job_->id.to_string()}, {"segment", segment_}, {"why", why}});
  state_.discard_parts(job_->id);
  job_.reset();
}

void Relocator::placed(const Request& request) {
  const NewRecord& record = request.group.front();
  if (std::holds_alternative<BodyPartRecord>(record.record))
    job_->to.push_back(record.place);
  else {
    in_batch_.push_back(job_->id);
    job_.reset();
  }
}

// Parts of earlier batches are durable but belong to nothing now.
void Relocator::failed() {
  in_batch_.clear();
  if (!job_) return;
  state_.discard_parts(job_->id);
  ids_.push_front(job_->id);
  job_.reset();
}

}  // namespace sealpost::spool
