// SPDX-License-Identifier: Apache-2.0
//
// The mark: what is known of the journal as a whole, kept beside it, so that a start can tell what is missing. Which
// segments there must be, and after an orderly stop where the last one ended. Two files, written in turn: while one is
// written the other one holds. Without any the journal is read all the same, only less can be told (D-03, D-21).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sealpost/expected.hpp"
#include "spool/disk.hpp"

namespace sealpost::spool {

struct Mark {
  std::uint64_t turn = 0;      // the higher one of two holds
  std::uint64_t node = 0;      // as in segment headers
  std::uint64_t oldest = 0;    // segments with smaller numbers have been freed
  std::uint64_t current = 0;   // the last segment
  bool clean = false;          // an orderly stop: what follows is known
  std::uint32_t end = 0;       // all of the last segment before it was acknowledged
  std::uint64_t batches = 0;   // number of the batch that would have come next
  std::uint64_t messages = 0;  // alive at the stop
  // Segments whose torn end has no copy in corrupt/ yet, though another segment follows, which says that it does not count.
  // 0: none.
  std::array<std::uint64_t, 3> torn{};
  bool operator==(const Mark&) const = default;
};

constexpr std::size_t mark_size = 96;
std::string encode_mark(const Mark& mark);
// Errc::unavailable: a newer version (D-26). Errc::invalid: damaged.
Expected<Mark> decode_mark(std::string_view octets);

class MarkFiles {
 public:
  struct Found {
    std::optional<Mark> mark;
    bool any = false;        // there is a file, be it unreadable
    std::string unreadable;  // why one of them could not be read or trusted; "" when all are well
  };
  explicit MarkFiles(Disk& disk) noexcept : disk_(disk) {}

  // Only reads. Errc::unavailable: a newer version, nothing is touched (D-26).
  Expected<Found> read();
  // Durable when it succeeds; `turn` is filled in. On an error the mark before it still holds.
  Expected<void> write(Mark mark);
  bool none() const noexcept { return turn_ == 0; }  // no mark was read or written

 private:
  static constexpr std::size_t files = 2;
  Expected<void> write_file(std::size_t number, const std::string& octets);

  Disk& disk_;
  std::unique_ptr<JournalFile> open_[files];  // kept open: there may be no descriptor when it matters
  bool spoiled_[files] = {false,
                          false};  // its last write failed: made anew before it is believed again (D-07)
  std::uint64_t turn_ = 0;
  std::size_t holding_ = 0;  // the file that is not to be touched
};

}  // namespace sealpost::spool
