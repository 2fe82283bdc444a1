// SPDX-License-Identifier: Apache-2.0
#include "spool/damage.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.hpp"
#include "base/planted.hpp"
#include "base/text.hpp"
#include "spool/bytes.hpp"
#include "spool/segment_files.hpp"

namespace sealpost::spool {
namespace {

constexpr std::string_view note_magic = "DAMAGED:";
constexpr std::string_view half_written = ".part";

}  // namespace

std::string describe(const Damage& damage) {
  std::string text = "segment " + std::to_string(damage.segment);
  if (damage.to > 0) text += ", octets " + std::to_string(damage.from) + " to " + std::to_string(damage.to);
  text += ": " + damage.what;
  if (!damage.may_have_held.empty()) text += "; may have held " + damage.may_have_held;
  if (damage.kept.empty())
    text += "; nothing of it could be kept";
  else
    text += (damage.to_be_kept ? "; a start keeps it as spool/" : "; kept as spool/") + damage.kept;
  return text;
}

std::string encode_stretch_page(const Stretch& stretch, std::uint64_t to) {
  std::string page = encode_segment_header(stretch.header);
  std::string note(note_magic);
  put(note, stretch.from);
  put(note, to);
  page.replace(damaged_note, note.size(), note);
  return page;
}

Expected<Stretch> decode_stretch_page(std::string_view octets) {
  if (octets.size() < segment_header_size || octets.substr(damaged_note, note_magic.size()) != note_magic)
    return Error(Errc::invalid, "not a stretch of a segment");
  auto header = decode_segment_header(octets);
  if (!header) return header.error();
  Stretch stretch;
  stretch.header = *header;
  ByteReader in(octets.substr(damaged_note + note_magic.size(), 8));
  stretch.from = in.get<std::uint64_t>();
  return stretch;
}

bool DamageKeeper::keep(const SegmentHeader& header, std::string_view octets, Damage damage) {
  damage.segment = header.sequence;
  const std::string name = corrupt_directory + "/" + std::to_string(header.sequence) + "-" +
                           std::to_string(damage.from) + "-" + std::to_string(damage.to);
  const std::size_t from = std::min<std::size_t>(damage.from, octets.size());
  Stretch stretch;
  stretch.header = header;
  stretch.from = damage.from;
  auto kept =
      write_file(name, encode_stretch_page(stretch, damage.to), octets.substr(from, damage.to - damage.from));
  if (kept)
    damage.kept = name;
  else
    damage.what += " (copying it to " + name + " failed: " + kept.error().detail + ")";
  note(std::move(damage));
  return kept.has_value();
}

bool DamageKeeper::has(std::uint64_t segment, std::uint32_t from, std::uint32_t to) {
  std::vector<std::string> names;
  if (disk_.list(corrupt_directory, names) != 0) return false;
  const std::string prefix = std::to_string(segment) + "-";
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
    if (!name.starts_with(prefix) || name.ends_with(half_written)) return false;
    name.remove_prefix(prefix.size());
    const std::size_t dash = name.find('-');
    if (dash == std::string_view::npos) return false;
    const auto begins = text::parse_u64(name.substr(0, dash));
    const auto ends = text::parse_u64(name.substr(dash + 1, name.find('.', dash) - dash - 1));
    return begins && ends && *begins <= from && *ends >= to;
  });
}

void DamageKeeper::keep_note(const std::string& name, Damage damage) {
  const std::string path = corrupt_directory + "/" + name;
  damage.kept = path;
  auto kept = write_file(path, describe(damage) + "\n", "");
  if (!kept) damage.kept.clear();
  note(std::move(damage));
}

void DamageKeeper::note(Damage damage) {
  log::error("journal_damaged", {{"segment", damage.segment},
                                 {"from", damage.from},
                                 {"to", damage.to},
                                 {"what", damage.what},
                                 {"may_have_held", damage.may_have_held},
                                 {"kept", damage.kept.empty() ? "no" : damage.kept}});
  ++count_;
  if (list_.size() < most_listed) list_.push_back(std::move(damage));
}

// Under its name only when it is whole: a start that finds the name relies on it.
Expected<void> DamageKeeper::write_file(const std::string& name, std::string_view page,
                                        std::string_view octets) {
  if (planted(Plant::no_copy_of_damage)) return {};
  if (disk_.open(name, Disk::Access::read).file) return {};  // an earlier start has kept it
  const std::string part = name + std::string(half_written);
  auto opened = disk_.open(part, Disk::Access::create);
  if (opened.error == -EEXIST) {
    disk_.remove(part);
    opened = disk_.open(part, Disk::Access::create);
  }
  if (!opened.file) return disk_error(opened.error, "create");
  auto written = write_all(*opened.file, 0, page);
  if (written && !octets.empty()) written = write_all(*opened.file, page.size(), octets);
  if (written && opened.file->sync_data() != 0) written = Error(Errc::io, "sync");
  if (!written) {
    opened.file.reset();
    disk_.remove(part);
    return written;
  }
  if (const int renamed = disk_.rename(part, name); renamed != 0) return disk_error(renamed, "rename");
  if (const int synced = disk_.sync_directory(corrupt_directory); synced != 0)
    return disk_error(synced, "sync " + corrupt_directory);
  return {};
}

}  // namespace sealpost::spool
