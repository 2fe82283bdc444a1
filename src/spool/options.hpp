// SPDX-License-Identifier: Apache-2.0
//
// Options of the journal. The defaults are what `sealpost run` uses; tests make segments small.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sealpost/clock.hpp"
#include "spool/commit_window.hpp"

namespace sealpost::spool {

struct SpoolOptions {
  std::uint32_t segment_size = 64u << 20;  // a multiple of the page size
  std::uint64_t node = 0;  // whose journal a new one is, in marks and segment headers; 0: a random number
  std::uint64_t fresh_limit = 256ull << 20;  // octets of bodies kept in memory, all messages together (T-28)
  std::uint64_t floor = 64ull << 20;         // D-08: refuse mail below max(2 x size, percent, floor)
  unsigned floor_percent = 5;
  std::uint64_t floor_inodes = 128;
  Duration commit_limit = std::chrono::seconds(60);  // D-06
  CommitWindow::Limits window;
  std::size_t most_in_batch = 256;
  std::size_t most_octets_in_batch = 8u << 20;
  // A sync into blocks never written costs one more write of metadata and a flush; blocks filled with zeros before cost
  // as much again as the records. When batches are this long on average, the zeros cost more.
  std::uint32_t long_batch = 256u << 10;
  // What a follower has not read is kept until the journal is so long, and until room for mail is short.
  std::uint64_t follower_bound = 4ull << 30;
  Duration follower_pause = std::chrono::milliseconds(500);  // when it has read all there is
};

}  // namespace sealpost::spool
