// SPDX-License-Identifier: Apache-2.0
//
// What rows name by its digest and is kept once beside them: proofs, with how often a day's rows name each, and sets of rules, with
// how far their history has been read.
#include <nlohmann/json.hpp>

#include "base/digest.hpp"
#include "base/gzip.hpp"
#include "base/text.hpp"
#include "ledger/store.hpp"

namespace sealpost::ledger {
namespace {

constexpr std::size_t most_known_proofs = 20'000;
constexpr std::int64_t still_in_force = std::int64_t{1} << 62;  // no day has that number

}  // namespace

Expected<bool> Store::keep_proof(std::string_view digest, std::string_view text) {
  std::string key(digest);
  const auto known = proofs_.find(key);
  if (known != proofs_.end() && known->second == head_.day) return true;
  const bool brought = !text.empty() && sha256_octets(text) == digest;
  auto write = brought ? prepared(
                             "INSERT INTO proof(digest, last_day, text) VALUES (?1, ?2, ?3) "
                             "ON CONFLICT (digest) DO UPDATE SET last_day = ?2")
                       : prepared("UPDATE proof SET last_day = ?2 WHERE digest = ?1");
  if (!write) return write.error();
  (*write)->bind_blob(1, digest).bind(2, head_.day);
  if (brought) (*write)->bind(3, text);
  if (auto done = (*write)->done(); !done) return done.error();
  if (file_.changed() == 0) return false;
  if (auto noted = note_whom(digest, brought ? text : std::string_view()); !noted) return noted.error();
  if (proofs_.size() >= most_known_proofs) proofs_.clear();
  proofs_[std::move(key)] = head_.day;
  return true;
}

// Added to what the day's earlier commits counted; of a day that an earlier release began nobody reads it.
Expected<void> Store::write_counts() {
  for (const auto& one : counts_) {
    auto write = prepared(
        "INSERT INTO tally(proof, day, kind, rows) VALUES (?1, ?2, ?3, ?4) "
        "ON CONFLICT (proof, day, kind) DO UPDATE SET rows = rows + ?4");
    if (!write) return write.error();
    if (auto done = (*write)
                        ->bind_blob(1, one.first.first)
                        .bind(2, head_.day)
                        .bind(3, one.first.second)
                        .bind(4, one.second)
                        .done();
        !done)
      return done;
  }
  counts_.clear();
  return {};
}

// Whom a proof is about, once for each day on which it is named: an earlier release did not note it.
Expected<void> Store::note_whom(std::string_view digest, std::string_view text) {
  std::string kept(text);
  if (kept.empty()) {
    auto read = prepared("SELECT text FROM proof WHERE digest = ?1");
    if (!read) return read.error();
    auto there = (*read)->bind_blob(1, digest).row();
    if (!there) return there.error();
    if (*there) kept = (*read)->text(0);
    (*read)->reset();
  }
  const auto proof = nlohmann::json::parse(kept, nullptr, false);
  if (!proof.is_object()) return {};
  for (const auto& about : {std::pair{"p:", "partner"}, std::pair{"d:", "domain"}}) {
    const auto name = proof.find(about.second);
    if (name == proof.end() || !name->is_string() || name->get_ref<const std::string&>().empty()) continue;
    auto write = prepared("INSERT OR IGNORE INTO proof_about(name, proof) VALUES (?1, ?2)");
    if (!write) return write.error();
    if (auto done = (*write)
                        ->bind(1, about.first + text::lower(name->get<std::string>()))
                        .bind_blob(2, digest)
                        .done();
        !done)
      return done;
  }
  return {};
}

Expected<HistoryPlace> Store::rules_place() {
  HistoryPlace place;
  auto read = prepared("SELECT begins, ends, digest FROM rules_read");
  if (!read) return read.error();
  auto there = (*read)->row();
  if (!there) return there.error();
  if (*there) {
    place.begins = static_cast<std::uint64_t>((*read)->number(0));
    place.ends = static_cast<std::uint64_t>((*read)->number(1));
    place.digest = (*read)->text(2);
  }
  (*read)->reset();
  return place;
}

Expected<void> Store::note_rules_place(const HistoryPlace& place) {
  auto write = prepared("INSERT OR REPLACE INTO rules_read(id, begins, ends, digest) VALUES (1, ?1, ?2, ?3)");
  if (!write) return write.error();
  return (*write)
      ->bind(1, static_cast<std::int64_t>(place.begins))
      .bind(2, static_cast<std::int64_t>(place.ends))
      .bind_blob(3, place.digest)
      .done();
}

Expected<void> Store::keep_rules(std::string_view digest, std::string_view text) {
  auto former = prepared("UPDATE rules SET last_day = ?1 WHERE last_day = ?2 AND digest != ?3");
  if (!former) return former.error();
  if (auto done = (*former)->bind(1, head_.day).bind(2, still_in_force).bind_blob(3, digest).done(); !done)
    return done;
  auto again = prepared("UPDATE rules SET last_day = ?1 WHERE digest = ?2");
  if (!again) return again.error();
  if (auto done = (*again)->bind(1, still_in_force).bind_blob(2, digest).done(); !done) return done;
  if (file_.changed() != 0 || text.empty()) return {};
  auto insert = prepared("INSERT INTO rules(digest, text, last_day) VALUES (?1, ?2, ?3)");
  if (!insert) return insert.error();
  return (*insert)->bind_blob(1, digest).bind_blob(2, gzip(text, pack_level)).bind(3, still_in_force).done();
}

Expected<bool> Store::has_rules(std::string_view digest) {
  auto read = prepared("SELECT 1 FROM rules WHERE digest = ?1");
  if (!read) return read.error();
  auto there = (*read)->bind_blob(1, digest).row();
  if (!there) return there.error();
  const bool known = *there;
  (*read)->reset();
  return known;
}

}  // namespace sealpost::ledger
