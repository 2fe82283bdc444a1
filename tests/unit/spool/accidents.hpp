// SPDX-License-Identifier: Apache-2.0
//
// What tests of accidents to the journal's files share: reaching into a segment, and looking at what was told and kept.
#pragma once

#include <doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "spool/segment_scan.hpp"
#include "spool_world.hpp"

namespace sealpost::spool {

inline std::string segment(std::uint64_t sequence) { return "journal/" + segment_name(sequence); }

inline std::string body_of(unsigned number) { return "body number " + std::to_string(number) + "\r\n"; }

inline bool has_trouble(const World& world, std::string_view cause) {
  const auto all = world.health.list();
  return std::any_of(all.begin(), all.end(), [&](const auto& trouble) { return trouble.cause == cause; });
}

inline bool any_name(const World& world, std::string_view prefix) {
  const auto names = world.disk.names();
  return std::any_of(names.begin(), names.end(), [&](const auto& name) { return name.starts_with(prefix); });
}

inline bool any_corrupt_holds(const World& world, std::string_view octets) {
  const auto names = world.disk.names();
  return std::any_of(names.begin(), names.end(), [&](const auto& name) {
    return name.starts_with("corrupt/") && world.disk.contents(name).find(octets) != std::string::npos;
  });
}

// What must be so after mail was lost: nobody can overlook it, now and at every later start.
inline void check_told(World& world) {
  CHECK(world.spool->counters().damaged > 0);
  CHECK(has_trouble(world, "journal damage"));
  CHECK(any_name(world, "corrupt/"));
  CHECK(has_trouble(world, "journal corrupt/"));
  world.stop();
  world.disk.crash(SimDisk::Loss::all);
  REQUIRE(world.start());
  CHECK(world.spool->counters().set_aside > 0);
  CHECK(has_trouble(world, "journal corrupt/"));
}

inline void store_some(World& world, unsigned first, unsigned last) {
  for (unsigned i = first; i <= last; ++i) REQUIRE(world.store(message_of(i, body_of(i))));
}

inline void stop(World& world, bool clean) {
  if (clean) world.spool->close();
  world.stop();
  world.disk.crash(clean ? SimDisk::Loss::all : SimDisk::Loss::kill);
}

// Several messages in one batch.
inline event::Task<void> store_one(World& world, NewMessage message) {
  const auto stored = co_await world.spool->store(world.loop, std::move(message));
  CHECK(stored.has_value());
}
inline void store_together(World& world, unsigned first, unsigned last, std::size_t size) {
  event::TaskScope scope(world.loop);
  for (unsigned i = first; i <= last; ++i)
    scope.spawn(store_one(world, message_of(i, std::string(size, 'z'))));
  world.loop.advance(std::chrono::seconds(1));
}

inline std::vector<ScannedRecord> records_of(const World& world, std::uint64_t sequence) {
  const std::string octets = world.disk.contents(segment(sequence));
  const auto header = decode_segment_header(octets);
  REQUIRE(header);
  return scan_segment(octets, seed_of(*header), SegmentFacts()).records;
}

inline void flip(World& world, std::uint64_t sequence, std::size_t at, unsigned bit) {
  const std::string name = segment(sequence);
  const char octet = static_cast<char>(world.disk.contents(name)[at] ^ (1 << bit));
  world.disk.overwrite(name, at, std::string_view(&octet, 1));
}

inline void remove_spares(World& world) {
  for (const std::string& name : world.disk.names())
    if (name.starts_with("journal/spare-")) world.disk.remove(name);
  world.disk.sync_directory(journal_directory);
}

// Nothing from `from` on reached the disk: it reads as zeros, up to the page before the segment's end.
inline void tear(World& world, std::uint64_t sequence, std::size_t from) {
  world.disk.overwrite(segment(sequence), from,
                       std::string(world.options.segment_size - page_size - from, '\0'));
}

inline std::uint64_t newest_segment(const World& world) {
  std::uint64_t newest = 0;
  for (const auto& name : world.disk.names())
    if (const auto sequence = parse_segment_name(name.substr(name.find('/') + 1)))
      newest = std::max(newest, *sequence);
  return newest;
}

}  // namespace sealpost::spool
