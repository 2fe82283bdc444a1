// SPDX-License-Identifier: Apache-2.0
//
// The second copy of the MTA-STS cache (D-24): a plain file that is only appended to, one line per fetched or dropped
// policy, each with its checksum. It is written and synced before the database, so it is never behind; the database
// knows how much of it it has seen. docs/sts-cache.md has the format. Blocking; one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/handles.hpp"
#include "sealpost/expected.hpp"
#include "sts/entry.hpp"

namespace sealpost::sts {

struct CopyRecord {
  CopyRecord() = default;
  StsEntry entry;  // domain, id, body, fetched, expires
  bool dropped =
      false;  // the policy is no longer kept; entry holds the domain and, as fetched, when that was
};
std::string to_line(const CopyRecord& record);
Expected<CopyRecord> from_line(std::string_view line);  // without its end

class StsCopy {
 public:
  // Errc::not_found: there is none. Errc::newer: made by a newer relay (D-26). Errc::io names file and call: there is one
  // that cannot be read now.
  static Expected<StsCopy> open(const std::string& path);
  // A new file with the records `next` gives until it gives false, put in the place of the old one; an error of `next`
  // leaves the old one.
  using Next = std::function<Expected<bool>(CopyRecord&)>;
  static Expected<StsCopy> rewrite(const std::string& path, const Next& next);

  // Chosen when the file was made; its header holds it. Empty when the header is damaged.
  const std::string& name() const noexcept { return name_; }
  std::uint64_t size() const noexcept { return size_; }

  // Durable when it returns. After an error the file is not written again (D-07): rewrite() makes a new one.
  Expected<void> append(const CopyRecord& record);
  // Every record from `offset` on; lines that are damaged are counted and left out. Errc::io when it cannot be read.
  struct Damage {
    std::size_t lines = 0;  // whole lines that are not what was written
    bool torn = false;      // the last one was cut off: never relied on, unless the file was cut short
  };
  Expected<Damage> replay(std::uint64_t offset, const std::function<void(CopyRecord)>& apply) const;
  // Whether `path` still leads to this file: somebody may have deleted or replaced it.
  enum class Place : std::uint8_t { ours, gone, others };
  Place place(const std::string& path) const;

 private:
  StsCopy(FileDescriptor fd, std::string name, std::uint64_t size)
      : fd_(std::move(fd)), name_(std::move(name)), size_(size) {}
  FileDescriptor fd_;
  std::string name_;
  std::uint64_t size_;
  std::uint64_t torn_end_ = 0;  // where the line ends that was cut off when the file was opened; 0: none
  bool broken_ = false;
};

}  // namespace sealpost::sts
