// SPDX-License-Identifier: Apache-2.0
#include "app/backup_check.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "app/clock_record.hpp"
#include "app/file_pieces.hpp"
#include "app/spool_tools.hpp"
#include "auth/user_store.hpp"
#include "base/digest.hpp"
#include "base/durable_file.hpp"
#include "base/handles.hpp"
#include "history/schema.hpp"
#include "injection/once_store.hpp"
#include "ledger/schema.hpp"
#include "partner/rules_store.hpp"
#include "sqlite/handles.hpp"
#include "sts/database.hpp"
#include "tlsrpt/counting/schema.hpp"
#include "webhooks/schema.hpp"

namespace sealpost::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
constexpr int list_format = 1;
constexpr std::size_t most_list = std::size_t{64} << 20;

Expected<FileDescriptor> open_file(const std::string& path) {
  FileDescriptor file = open_to_read(path);
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) return io_error(path, errno);
  if (!S_ISREG(status.st_mode)) return Error(Errc::invalid, path + " is no file");
  return file;
}

Expected<std::string> digest_of(const std::string& path) {
  const auto file = open_file(path);
  if (!file) return file.error();
  Sha256Stream digest;
  const auto read = read_through(*file, path, [&](std::string_view piece) {
    digest.add(piece);
    return Expected<void>();
  });
  if (!read) return read.error();
  return digest.finish_hex();
}

Expected<std::string> whole_text(const std::string& path) {
  const auto file = open_file(path);
  if (!file) return file.error();
  std::string text;
  const auto read = read_through(*file, path, [&](std::string_view piece) -> Expected<void> {
    text += piece;
    if (text.size() > most_list) return Error(Errc::too_long, path + " is larger than a list of files is");
    return {};
  });
  if (!read) return read.error();
  return text;
}

Expected<BackupList> read_list(const std::string& path) {
  const auto text = whole_text(path);
  if (!text) return text.error();
  const Json json = Json::parse(*text, nullptr, false);
  const Error unreadable(Errc::damaged,
                         path + " is no list of a backup; the backup is not whole, or was changed");
  if (!json.is_object() || !json.contains("format") || !json["format"].is_number_integer()) return unreadable;
  if (json["format"].get<int>() > list_format)
    return Error(Errc::newer, path + " has format " + json["format"].dump() + ", this version knows up to " +
                                  std::to_string(list_format) + ": the backup was made by a newer sealpost");
  try {
    BackupList list;
    const auto made = from_rfc3339(json.at("made").get<std::string>());
    if (!made) return unreadable;
    list.made = *made;
    list.by = json.at("sealpost").get<std::string>();
    list.with_mail = json.at("with_mail").get<bool>();
    list.files = json.at("files").get<std::map<std::string, std::string>>();
    return list;
  } catch (const Json::exception&) {
    return unreadable;
  }
}

// Files that are there and in the list, both ways.
Expected<void> compare(const std::string& directory, const BackupList& list) {
  const auto there = digests_of(directory);
  if (!there) return there.error();
  for (const auto& [path, digest] : list.files) {
    const auto found = there->find(path);
    if (found == there->end())
      return Error(Errc::damaged, directory + "/" + path + " is missing from the backup");
    if (found->second != digest)
      return Error(Errc::damaged, directory + "/" + path + " is not as the backup wrote it");
  }
  for (const auto& [path, unused] : *there)
    if (list.files.count(path) == 0)
      return Error(Errc::damaged, directory + "/" + path + " was put into the backup later; take it out");
  return {};
}

Error newer(const std::string& path, const std::string& version, int ours) {
  return Error(Errc::newer, path + " was made by a newer sealpost: it has schema " + version +
                                ", this version knows up to " + std::to_string(ours) +
                                "; it was left untouched");
}

struct KnownDatabase {
  const char* name;
  int newest;
};
std::vector<KnownDatabase> known_databases() {
  return {{"sts.db", sts::newest_schema()},
          {"tlsrpt.db", tlsrpt::schema_settings("tlsrpt.db").newest},
          {"evidence.db", history::schema_settings("evidence.db").newest},
          {"ledger.db", ledger::schema_settings("ledger.db").newest},
          {"webhooks.db", webhooks::schema_settings("webhooks.db").newest},
          {"users.db", auth::newest_schema()},
          {"injected.db", injection::newest_once_schema()}};
}

Expected<std::string> first_value(sqlite3& database, const char* sql, const std::string& path) {
  sqlite3_stmt* raw = nullptr;
  const int prepared = sqlite3_prepare_v2(&database, sql, -1, &raw, nullptr);
  const sqlite::StatementPtr statement(raw);
  if (prepared != SQLITE_OK || sqlite3_step(raw) != SQLITE_ROW)
    return Error(Errc::damaged, path + " cannot be read as a database: " + sqlite3_errmsg(&database));
  const unsigned char* text = sqlite3_column_text(raw, 0);
  return std::string(text != nullptr ? reinterpret_cast<const char*>(text) : "");
}

std::string as_uri(const std::string& path) {
  std::string uri = "file:";
  for (const char c : path) {
    static constexpr const char* digits = "0123456789abcdef";
    const auto octet = static_cast<unsigned char>(c);
    if (c == '%' || c == '?' || c == '#' || octet < ' ')
      uri += {'%', digits[octet >> 4], digits[octet & 15]};
    else
      uri += c;
  }
  return uri + "?immutable=1";
}

// Immutable: nothing is made beside it, and what is beside it would not be read, so there must be nothing.
Expected<void> check_database(const std::string& directory, const std::string& name) {
  const std::string path = directory + "/" + name;
  for (const char* beside : {"-wal", "-journal"})
    if (struct stat status{}; ::lstat((path + beside).c_str(), &status) == 0 && status.st_size > 0)
      return Error(Errc::invalid, path + beside + " is beside it: the copy was made of a database in use; " +
                                      "'sqlite3 " + path +
                                      " .tables' takes it in, or make the backup with 'sealpost backup'");
  sqlite3* opened = nullptr;
  const int result =
      sqlite3_open_v2(as_uri(path).c_str(), &opened, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, nullptr);
  const sqlite::ConnectionPtr database(opened);
  if (result != SQLITE_OK) return Error(Errc::io, path + ": " + sqlite3_errstr(result));
  const auto version = first_value(*opened, "PRAGMA user_version", path);
  if (!version) return version.error();
  const auto known = known_databases();
  const auto ours =
      std::find_if(known.begin(), known.end(), [&](const KnownDatabase& each) { return name == each.name; });
  if (ours != known.end() && std::stoll(*version) > ours->newest) return newer(path, *version, ours->newest);
  const auto whole = first_value(*opened, "PRAGMA integrity_check(1)", path);
  if (!whole) return whole.error();
  if (*whole != "ok") return Error(Errc::damaged, path + " is damaged: " + *whole);
  return {};
}

Expected<void> check_queue(const std::string& directory, CheckedBackup& checked) {
  std::error_code failure;
  if (!fs::exists(directory + "/spool/journal", failure) ||
      fs::is_empty(directory + "/spool/journal", failure))
    return {};
  const auto found = check_spool(directory + "/spool");
  if (!found) return found.error();
  if (found->damaged > 0)
    return Error(Errc::damaged,
                 directory + "/spool: of its journal " + std::to_string(found->damaged) +
                     " part(s) are damaged or missing ('sealpost spool check " + directory +
                     "' says which); 'sealpost spool recover' takes out of it what can be read");
  checked.with_mail = true;
  checked.messages = found->messages;
  return {};
}

}  // namespace

Expected<std::map<std::string, std::string>> digests_of(const std::string& directory) {
  std::map<std::string, std::string> digests;
  std::error_code failure;
  for (fs::recursive_directory_iterator entry(directory, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    if (!entry->is_regular_file(failure) || entry->is_symlink(failure)) continue;
    const std::string path = fs::relative(entry->path(), directory, failure).string();
    if (path == backup_list_name) continue;
    auto digest = digest_of(entry->path().string());
    if (!digest) return digest.error();
    digests.emplace(path, std::move(*digest));
  }
  if (failure) return Error(Errc::io, directory + ": " + failure.message());
  return digests;
}

Expected<void> write_backup_list(const std::string& directory, const BackupList& list) {
  const Json json{{"format", list_format},
                  {"made", to_rfc3339(list.made)},
                  {"sealpost", list.by},
                  {"with_mail", list.with_mail},
                  {"files", list.files}};
  return replace_file(directory + "/" + backup_list_name,
                      json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

Expected<CheckedBackup> check_backup(const std::string& directory) {
  CheckedBackup checked;
  std::error_code failure;
  if (!fs::is_directory(directory, failure))
    return Error(Errc::not_found, directory + " is no directory; name one that 'sealpost backup' made");
  for (fs::directory_iterator entry(directory, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    const std::string name = entry->path().filename().string();
    const bool kept = entry->is_regular_file(failure) || entry->is_directory(failure);
    if (kept && !entry->is_symlink(failure) && name != backup_list_name) checked.names.push_back(name);
  }
  if (failure) return Error(Errc::io, directory + ": " + failure.message());
  std::sort(checked.names.begin(), checked.names.end());
  const auto has = [&](const char* name) {
    return std::find(checked.names.begin(), checked.names.end(), name) != checked.names.end();
  };
  if (!has("sts.db") && !has("tlsrpt.db") && !has("rules-in-force") && !has("spool"))
    return Error(Errc::invalid,
                 directory + " holds nothing of a data directory; name one that 'sealpost backup' made");
  if (fs::exists(directory + "/" + backup_list_name, failure)) {
    auto list = read_list(directory + "/" + backup_list_name);
    if (!list) return list.error();
    if (auto same = compare(directory, *list); !same) return same.error();
    checked.list = std::move(*list);
  }
  for (const std::string& name : checked.names) {
    if (!name.ends_with(".db")) continue;
    if (auto good = check_database(directory, name); !good) return good.error();
    checked.databases.push_back(name);
  }
  if (auto good = check_queue(directory, checked); !good) return good.error();
  const auto rules = RulesStore(directory).load();
  if (rules.state == RulesStore::Found::State::unreadable)
    return Error(Errc::damaged, "the record of rules in force cannot be read: " + rules.trouble);
  if (has("clock")) checked.clock = read_clock_record(directory, SystemTime::max()).time;
  return checked;
}

// From the header of the file itself (https://sqlite.org/fileformat.html, 1.3): opening it would make files beside it.
Expected<void> refuse_newer_databases(const std::string& data_dir) {
  constexpr std::size_t header_octets = 100, version_at = 60;
  for (const KnownDatabase& known : known_databases()) {
    const std::string path = data_dir + "/" + known.name;
    const auto file = open_file(path);
    std::array<unsigned char, header_octets> header{};
    if (!file || ::pread(file->get(), header.data(), header.size(), 0) != static_cast<ssize_t>(header.size()))
      continue;
    if (std::memcmp(header.data(), "SQLite format 3", 16) != 0) continue;
    std::uint32_t version = 0;
    for (std::size_t i = 0; i < 4; ++i) version = version << 8 | header[version_at + i];
    if (version > static_cast<std::uint32_t>(known.newest))
      return newer(path, std::to_string(version), known.newest);
  }
  return {};
}

}  // namespace sealpost::app
