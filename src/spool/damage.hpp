// SPDX-License-Identifier: Apache-2.0
//
// Damage: what a start could not read of the journal, and may have held mail. Each stretch is copied to corrupt/ before its
// segment is used for something else, and named once: in the log, in `status` and by `spool check`, in the same words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sealpost/expected.hpp"
#include "spool/disk.hpp"
#include "spool/record_codec.hpp"

namespace sealpost::spool {

struct Damage {
  std::uint64_t segment = 0;
  std::uint32_t from = 0, to = 0;  // octets of it; both 0: the whole file
  std::string what;                // in words: "octets that hold no record any more"
  std::string may_have_held;
  bool to_be_kept = false;  // by the next start: it was only looked at
  std::string kept;         // file in the spool directory, "" when nothing could be kept
};
std::string describe(const Damage& damage);

// A file in corrupt/: a page with the segment's header, and from `damaged_note` on where the octets behind it lay. So the
// stretch can be read by itself (salvage.hpp).
constexpr std::size_t damaged_note = 2048;
struct Stretch {
  SegmentHeader header;
  std::uint64_t from = 0;
};
std::string encode_stretch_page(const Stretch& stretch, std::uint64_t to);
// nullopt-like: Errc::invalid when the page does not begin such a file.
Expected<Stretch> decode_stretch_page(std::string_view octets);

class DamageKeeper {
 public:
  explicit DamageKeeper(Disk& disk) noexcept : disk_(disk) {}

  // Copies the stretch, `octets` being all of the segment that could be read, and notes it. False: it could not be copied.
  bool keep(const SegmentHeader& header, std::string_view octets, Damage damage);
  // A start before has copied all of it, whether or not somebody has read it in since.
  bool has(std::uint64_t segment, std::uint32_t from, std::uint32_t to);
  // Of what is not there nothing can be copied: a note with these words is kept in its place.
  void keep_note(const std::string& name, Damage damage);
  void note(Damage damage);  // what is in corrupt/ already, or lies where it was

  std::uint64_t count() const noexcept { return count_; }
  // At most `most_listed`; count() says how many there were.
  std::vector<Damage> take() { return std::move(list_); }

 private:
  static constexpr std::size_t most_listed = 100;
  Expected<void> write_file(const std::string& name, std::string_view page, std::string_view octets);

  Disk& disk_;
  std::vector<Damage> list_;
  std::uint64_t count_ = 0;
};

}  // namespace sealpost::spool
