// SPDX-License-Identifier: Apache-2.0
//
// A message on its way to a host that takes 7 bits (RFC 6152 §3), or lines where it is octets (RFC 3030 §3): what would have to
// change of it, and a reader that gives it so.
#pragma once

#include <memory>
#include <string>

#include "event/task.hpp"
#include "mail/seven_bit.hpp"
#include "spool/spool.hpp"

namespace sealpost::delivery {

// Reads the whole message once. An error is the reader's.
event::Task<Expected<SevenBitPlan>> plan_seven_bits(std::unique_ptr<spool::BodyReader> reader, Takes takes,
                                                    MadeOf made_of);

class SevenBitBody final : public spool::BodyReader {
 public:
  // `inner` reads the message that the plan was made of, from its beginning.
  SevenBitBody(std::unique_ptr<spool::BodyReader> inner, std::shared_ptr<const SevenBitPlan> plan)
      : inner_(std::move(inner)), plan_(std::move(plan)), writer_(*plan_) {}
  event::Task<Expected<std::string_view>> next() override;

 private:
  std::unique_ptr<spool::BodyReader> inner_;
  std::shared_ptr<const SevenBitPlan> plan_;
  SevenBitWriter writer_;
  std::string_view rest_;  // of the piece that was read
  std::string out_;
  bool over_ = false;
};

}  // namespace sealpost::delivery
