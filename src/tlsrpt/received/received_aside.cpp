// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/received/received_aside.hpp"

#include "base/digest.hpp"
#include "base/log.hpp"
#include "tlsrpt/received/received_report.hpp"

namespace sealpost::tlsrpt {
namespace {

constexpr std::size_t most_name = 255, most_why = 500;

void bind_octets(sqlite3_stmt* row, int index, const std::string& octets) {
  sqlite3_bind_blob64(row, index, octets.data(), octets.size(), SQLITE_TRANSIENT);
}

}  // namespace

Expected<std::int64_t> Aside::keep(const KeptAside& about, const std::string& octets) {
  std::int64_t id = 0;
  const Expected<void> done = store_.in_transaction([&]() -> Expected<void> {
    auto insert = store_.statement(
        "INSERT INTO received_aside(file,piece,why,read_at,sha256,octets) VALUES(?1,?2,?3,?4,?5,?6) "
        "ON CONFLICT DO UPDATE SET why=?3, read_at=?4 RETURNING id");
    if (!insert) return insert.error();
    sqlite3_stmt* row = insert->get();
    bind_text(row, 1, clean_text(about.file, most_name));
    bind_text(row, 2, clean_text(about.piece, most_name));
    bind_text(row, 3, clean_text(about.why, most_why));
    sqlite3_bind_int64(row, 4, to_unix(about.read_at));
    bind_text(row, 5, sha256_hex(octets));
    bind_octets(row, 6, octets);
    if (sqlite3_step(row) != SQLITE_ROW) return store_.failure("keep a report aside");
    id = sqlite3_column_int64(row, 0);
    if (sqlite3_step(row) != SQLITE_DONE) return store_.failure("keep a report aside");
    return make_room(about.file.starts_with(mail_file) || about.file.starts_with(posted_file));
  });
  if (!done) return done.error();
  return id;
}

Expected<void> Aside::make_room(bool of_strangers) {
  auto query = store_.statement(
      "SELECT id, length(octets) FROM received_aside "
      "WHERE (substr(file,1,length(?1))=?1 OR substr(file,1,length(?2))=?2)=?3 "
      "ORDER BY read_at DESC, id DESC");
  if (!query) return query.error();
  bind_text(query->get(), 1, std::string(mail_file));
  bind_text(query->get(), 2, std::string(posted_file));
  sqlite3_bind_int64(query->get(), 3, of_strangers ? 1 : 0);
  std::vector<std::int64_t> gone;
  std::size_t pieces = 0, octets = 0;
  int step = SQLITE_ROW;
  while ((step = sqlite3_step(query->get())) == SQLITE_ROW) {
    octets += count_column(query->get(), 1);
    if (++pieces > most_pieces || octets > most_octets) gone.push_back(sqlite3_column_int64(query->get(), 0));
  }
  if (step != SQLITE_DONE) return store_.failure("look at what is kept aside");
  for (const std::int64_t id : gone) {
    const auto forgotten = forget(id);
    if (!forgotten) return forgotten.error();
  }
  if (!gone.empty())
    log::warning("reports_aside_dropped",
                 {{"pieces", gone.size()}, {"why", "too many are kept aside; the oldest went"}});
  return {};
}

Expected<std::vector<KeptAside>> Aside::list() {
  auto query = store_.statement(
      "SELECT id, file, piece, why, read_at, length(octets) FROM received_aside ORDER BY read_at DESC, id "
      "DESC");
  if (!query) return query.error();
  std::vector<KeptAside> all;
  int step = SQLITE_ROW;
  while ((step = sqlite3_step(query->get())) == SQLITE_ROW) {
    KeptAside kept;
    kept.id = sqlite3_column_int64(query->get(), 0);
    kept.file = column_text(query->get(), 1);
    kept.piece = column_text(query->get(), 2);
    kept.why = column_text(query->get(), 3);
    kept.read_at = SystemTime(std::chrono::seconds(sqlite3_column_int64(query->get(), 4)));
    kept.octets = count_column(query->get(), 5);
    all.push_back(std::move(kept));
  }
  if (step != SQLITE_DONE) return store_.failure("look at what is kept aside");
  return all;
}

Expected<std::optional<std::string>> Aside::octets(std::int64_t id) {
  auto query = store_.statement("SELECT octets FROM received_aside WHERE id=?1");
  if (!query) return query.error();
  sqlite3_bind_int64(query->get(), 1, id);
  const int step = sqlite3_step(query->get());
  if (step == SQLITE_DONE) return std::optional<std::string>();
  if (step != SQLITE_ROW) return store_.failure("read what is kept aside");
  const void* data = sqlite3_column_blob(query->get(), 0);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(query->get(), 0));
  return std::optional<std::string>(data == nullptr ? std::string()
                                                    : std::string(static_cast<const char*>(data), size));
}

Expected<bool> Aside::forget(std::int64_t id) {
  auto erase = store_.statement("DELETE FROM received_aside WHERE id=?1 RETURNING id");
  if (!erase) return erase.error();
  sqlite3_bind_int64(erase->get(), 1, id);
  const int step = sqlite3_step(erase->get());
  if (step == SQLITE_DONE) return false;
  if (step != SQLITE_ROW || sqlite3_step(erase->get()) != SQLITE_DONE)
    return store_.failure("forget a report");
  return true;
}

Expected<bool> Aside::forget_octets(const std::string& octets) {
  auto erase = store_.statement("DELETE FROM received_aside WHERE sha256=?1 RETURNING id");
  if (!erase) return erase.error();
  bind_text(erase->get(), 1, sha256_hex(octets));
  const int step = sqlite3_step(erase->get());
  if (step == SQLITE_DONE) return false;
  if (step != SQLITE_ROW || sqlite3_step(erase->get()) != SQLITE_DONE)
    return store_.failure("forget a report");
  return true;
}

}  // namespace sealpost::tlsrpt
