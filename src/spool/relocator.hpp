// SPDX-License-Identifier: Apache-2.0
//
// Copying forward (D-18): segments are freed strictly from the oldest on, because what finished a message
// lies behind it. So that a few slow messages do not pin a journal many times their size, those of the oldest
// segment are written again, with all that is known of them, once the journal is large against what is alive
// in it.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "spool/journal_state.hpp"
#include "spool/options.hpp"
#include "spool/request.hpp"
#include "spool/segment_files.hpp"

namespace sealpost::spool {

class Relocator {
 public:
  Relocator(SegmentFiles& files, JournalState& state, const SpoolOptions& options) noexcept
      : files_(files), state_(state), options_(options) {}

  // The next record to write, if it is worth while: a part of a long body, or the message itself. Its
  // snapshot is that of now, so it goes into a batch before anything else about its message.
  RequestPtr next(std::uint64_t current_segment);
  void placed(const Request& request);              // it has its place in the batch
  void committed() noexcept { in_batch_.clear(); }  // the batch is durable, and folded
  void failed();                                    // it was not written: begin again

 private:
  struct Job {
    MessageId id;
    std::vector<Extent> from, to;
  };
  bool worth_while() const;
  bool choose(std::uint64_t current_segment);
  RequestPtr next_of_job();
  RequestPtr finish_job(const LiveMessage& live);
  RequestPtr part(const Extent& extent);
  std::shared_ptr<const std::string> read(const Extent& extent);
  void give_up(std::string_view why);

  SegmentFiles& files_;
  JournalState& state_;
  const SpoolOptions& options_;
  std::uint64_t segment_ = 0;    // being emptied
  std::uint64_t chosen_at_ = 0;  // what was the current segment when `ids_` was made
  std::deque<MessageId> ids_;
  std::optional<Job> job_;
  std::vector<MessageId> in_batch_;  // copied by the batch that is being made
};

}  // namespace sealpost::spool
