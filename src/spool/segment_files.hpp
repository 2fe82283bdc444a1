// SPDX-License-Identifier: Apache-2.0
//
// The files of the journal: their names, which exist, which are open for reading, and the steps by which a
// spare file becomes a segment and a segment becomes a spare again. Each step leaves a directory that a
// restart understands wherever it is cut off (D-02, D-18).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "sealpost/expected.hpp"
#include "spool/disk.hpp"
#include "spool/record_codec.hpp"

namespace sealpost::spool {

inline const std::string journal_directory = "journal";
inline const std::string corrupt_directory = "corrupt";

inline std::string in_journal(const std::string& name) { return journal_directory + "/" + name; }
std::string segment_name(std::uint64_t sequence);  // "00000000000000000042.seg"
std::optional<std::uint64_t> parse_segment_name(std::string_view name);
std::string spare_name(std::uint64_t number);  // "spare-7"
std::optional<std::uint64_t> parse_spare_name(std::string_view name);

// What is done for a spare beyond giving it its blocks. Both read as zeros until records come, also after a power cut.
enum class SpareFill : std::uint8_t {
  written,   // zeros: a sync of records in it has no metadata to write, which small batches notice
  reserved,  // nothing: the file is written once, not twice, which large batches notice
};
// A file ready to become a segment. On failure nothing is left behind. Any thread.
Expected<void> make_spare(Disk& disk, const std::string& name, std::uint32_t size, SpareFill fill);

// Zeros from `from` on, up to `to`, synced.
Expected<void> write_zeros(JournalFile& file, std::uint64_t from, std::uint64_t to);

class SegmentFiles {
 public:
  explicit SegmentFiles(Disk& disk) noexcept : disk_(disk) {}

  // Readers, any thread. find(): when it is open already and nobody has to wait. open() may wait;
  // Errc::not_found when the segment is gone (its messages have moved or are finished).
  std::shared_ptr<JournalFile> find(std::uint64_t sequence) const;
  Expected<std::shared_ptr<JournalFile>> open(std::uint64_t sequence);

  // The spool's own work. add(): a segment that recovery found. keep(): some of it could not be read, so it goes to
  // corrupt/ when it is freed.
  void add(std::uint64_t sequence);
  void keep(std::uint64_t sequence);
  // A spare becomes a segment in three steps, each done when the one before is; the last makes it durable (D-02).
  Expected<void> write_header(JournalFile& file, const SegmentHeader& header);
  Expected<void> name(const std::string& spare, std::uint64_t sequence);
  Expected<void> sync_names();
  // From now on it can be read.
  void serve(std::uint64_t sequence, std::shared_ptr<JournalFile> file);
  // Nothing needs the oldest segment any more. Gives the name of the spare it became, "" when it was removed or put
  // aside: somebody still reads it, no spare is wanted, or it is kept. Errc::no_space and Errc::unavailable: not now,
  // ask again. Any other error leaves it unknown whether it is gone; nothing more must be freed then.
  Expected<std::string> release_oldest(bool wants_spare);

  std::uint64_t oldest() const;
  std::uint64_t next_after(std::uint64_t sequence) const;  // 0: there is none
  std::size_t count() const;
  std::string new_spare_name();
  void reserve_spare_number(std::uint64_t number);  // names seen at recovery

 private:
  static constexpr std::size_t most_open = 64;
  void close_some(std::size_t most);

  Disk& disk_;
  mutable std::mutex mutex_;
  std::set<std::uint64_t> known_, kept_;
  bool names_unsynced_ = false;  // of a segment that was freed: before the next one is
  std::map<std::uint64_t, std::shared_ptr<JournalFile>> open_;
  std::uint64_t next_spare_ = 1;
};

}  // namespace sealpost::spool
