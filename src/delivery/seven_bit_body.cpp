// SPDX-License-Identifier: Apache-2.0
#include "delivery/seven_bit_body.hpp"

namespace sealpost::delivery {
namespace {

constexpr std::size_t looked_at = 16 * 1024;  // at a time: encoded, that is three times as much at most

}  // namespace

event::Task<Expected<SevenBitPlan>> plan_seven_bits(std::unique_ptr<spool::BodyReader> reader, Takes takes,
                                                    MadeOf made_of) {
  SevenBitScan scan(takes, made_of);
  for (;;) {
    auto piece = co_await reader->next();
    if (!piece) co_return std::move(piece).error();
    if (piece->empty()) co_return scan.finish();
    scan.add(*piece);
  }
}

// Empty only at the end: what a piece gives may be kept back until its line is whole.
event::Task<Expected<std::string_view>> SevenBitBody::next() {
  out_.clear();
  while (out_.empty() && !over_) {
    if (rest_.empty()) {
      auto piece = co_await inner_->next();
      if (!piece) co_return std::move(piece).error();
      rest_ = *piece;
      if (rest_.empty()) {
        writer_.finish(out_);
        over_ = true;
        break;
      }
    }
    const std::string_view some = rest_.substr(0, looked_at);
    rest_.remove_prefix(some.size());
    writer_.add(some, out_);
  }
  co_return std::string_view(out_);
}

}  // namespace sealpost::delivery
