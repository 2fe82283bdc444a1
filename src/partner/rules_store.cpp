// SPDX-License-Identifier: Apache-2.0
#include "partner/rules_store.hpp"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <sstream>

#include "base/digest.hpp"
#include "base/durable_file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "partner/rules_json.hpp"

namespace sealpost::app {
namespace {

using Json = nlohmann::json;
using Found = RulesStore::Found;

constexpr int format = 1;
constexpr std::uint64_t longest_record = 256U << 20;
constexpr std::size_t sets_kept = 64;  // the ledger takes them over moments after a change

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Found read_record(const std::string& path) {
  Found found;
  if (is_absent(path)) return found;
  found.state = Found::State::unreadable;
  const auto file = read_whole_file(path, longest_record);
  if (!file) {
    found.trouble = path + " " + file.error().detail;
    return found;
  }
  try {
    const Json record = Json::parse(file->text);
    if (record.at("format") != format) {
      found.trouble = path + " has format " + record.at("format").dump() + ", written by another version";
      return found;
    }
    found.sha256 = sha256_hex(text_of(record.at("rules")));
    if (record.at("sha256") != found.sha256) {
      found.trouble = path + " is damaged: its digest is another";
      return found;
    }
    found.rules = rules_from_json(record.at("rules"));
    found.state = Found::State::known;
  } catch (const std::exception& error) {
    found.trouble = path + " is damaged: " + text::printable(error.what(), 200);
  }
  return found;
}

std::string user_named(std::uint32_t id) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> room{};
  if (::getpwuid_r(id, &entry, room.data(), room.size(), &found) != 0 || found == nullptr)
    return std::to_string(id);
  return found->pw_name;
}

std::string_view name_of(RuleNews::Way way) noexcept {
  switch (way) {
    case RuleNews::Way::weaker: return "weaker";
    case RuleNews::Way::stronger: return "stronger";
    case RuleNews::Way::other: return "other";
  }
  return "";
}

}  // namespace

RulesStore::RulesStore(const std::string& data_dir) : directory_(data_dir + "/rules-in-force") {}

Found RulesStore::load() const {
  Found current = read_record(directory_ + "/current.json");
  if (current.state == Found::State::known) return current;
  Found copy = read_record(directory_ + "/copy.json");
  if (copy.state == Found::State::known) {
    copy.trouble = current.trouble.empty() ? directory_ + "/current.json is not there" : current.trouble;
    return copy;
  }
  if (current.state == Found::State::unreadable) return current;
  if (copy.state == Found::State::unreadable) return copy;
  Found none;
  if (is_absent(directory_ + "/history.jsonl")) return none;
  none.state = Found::State::unreadable;  // a record goes before its history, so there was one
  none.trouble = directory_ + "/current.json and copy.json are not there, though a history is";
  return none;
}

Expected<std::string> RulesStore::save(const RulesInForce& rules, SystemTime now) {
  const Json body = to_json(rules);
  const std::string body_text = text_of(body);
  const std::string sha256 = sha256_hex(body_text);
  if (const Found found = load();
      found.state == Found::State::known && found.sha256 == sha256 && found.trouble.empty()) {
    // Earlier releases did not write it. No rule depends on it, so that what changes nothing fails nowhere.
    if (const auto kept = keep_set(sha256, body_text); !kept)
      log::warning("rule_set_not_kept", {{"why", kept.error().detail}});
    return sha256;
  }
  if (::mkdir(directory_.c_str(), 0700) == 0) {
    if (!sync_directory(directory_ + "/..")) return file_error(directory_, "fsync of its directory");
  } else if (errno != EEXIST) {
    return file_error(directory_, "mkdir");
  }
  const std::string text =
      text_of({{"format", format}, {"since", to_rfc3339(now)}, {"sha256", sha256}, {"rules", body}}) + "\n";
  if (auto kept = keep_set(sha256, body_text); !kept) return kept.error();
  for (const char* name : {"current.json", "copy.json"})
    if (auto written = replace_file(directory_ + "/" + name, text); !written) return written.error();
  drop_old_sets();
  return sha256;
}

// Before the history names it.
Expected<void> RulesStore::keep_set(const std::string& sha256, const std::string& text) const {
  const std::string path = directory_ + "/set-" + sha256 + ".json";
  if (!is_absent(path)) {
    // Used again: it is among the newest.
    ::utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
    if (const auto there = set_text(sha256); there) return {};
  }
  return replace_file(path, text);
}

void RulesStore::drop_old_sets() const {
  namespace fs = std::filesystem;
  std::error_code failure;
  std::vector<std::pair<fs::file_time_type, fs::path>> sets;
  for (fs::directory_iterator entry(directory_, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    std::error_code gone;
    if (entry->path().filename().string().starts_with("set-"))
      sets.emplace_back(entry->last_write_time(gone), entry->path());
  }
  std::sort(sets.begin(), sets.end());
  for (std::size_t i = 0; i + sets_kept < sets.size(); ++i) fs::remove(sets[i].second, failure);
}

Expected<std::string> RulesStore::set_text(const std::string& sha256) const {
  const std::string path = directory_ + "/set-" + sha256 + ".json";
  auto file = read_whole_file(path, longest_record);
  if (!file) return Error(Errc::not_found, path + " " + file.error().detail);
  if (sha256_hex(file->text) != sha256)
    return Error(Errc::damaged, path + " is damaged: its digest is another");
  return std::move(file->text);
}

RulesStore::Told RulesStore::last_told() const {
  Told told;
  const std::vector<Json> last = history("", 1);
  if (last.empty()) return told;
  told.sha256 = last.front().value("sha256", std::string());
  const auto time = last.front().find("time");
  if (time != last.front().end() && time->is_number_integer())
    told.when = SystemTime(std::chrono::microseconds(time->get<std::int64_t>()));
  else
    told.when = from_rfc3339(last.front().value("when", std::string()));
  return told;
}

std::optional<RulesInForce> RulesStore::set(const std::string& sha256) const {
  const auto text = set_text(sha256);
  return text ? parse_rules(*text) : std::nullopt;
}

std::optional<RulesInForce> parse_rules(const std::string& text) {
  try {
    return rules_from_json(Json::parse(text));
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

Expected<void> RulesStore::append(Json entry) {
  const std::string path = directory_ + "/history.jsonl";
  const FileDescriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return file_error(path, "open");
  // The last line may be torn: what follows it begins on a line of its own.
  const off_t size = ::lseek(fd.get(), 0, SEEK_END);
  if (size < 0) return file_error(path, "seek");
  std::string last;
  for (off_t at = size; at > 0;) {
    std::array<char, 4096> piece{};
    const auto length = static_cast<std::size_t>(std::min<off_t>(at, piece.size()));
    at -= static_cast<off_t>(length);
    if (::pread(fd.get(), piece.data(), length, at) != static_cast<ssize_t>(length))
      return file_error(path, "read");
    last.insert(0, piece.data(), length);
    if (const auto line = last.rfind('\n', last.size() < 2 ? 0 : last.size() - 2);
        line != std::string::npos && line + 1 < last.size()) {
      last.erase(0, line + 1);
      break;
    }
  }
  const bool torn = !last.empty() && last.back() != '\n';
  if (!last.empty() && last.back() == '\n') last.pop_back();
  entry["format"] = format;
  entry["previous"] = last.empty() ? std::string() : sha256_hex(last);
  const std::string line = (torn ? "\n" : "") + text_of(entry) + "\n";
  if (!write_all(fd.get(), line)) return file_error(path, "write");
  if (::fsync(fd.get()) != 0) return file_error(path, "fsync");
  if (size == 0 && !sync_directory(directory_)) return file_error(directory_, "fsync");
  return {};
}

std::vector<Json> RulesStore::history(const std::string& partner, std::size_t most) const {
  std::deque<Json> newest;
  const auto file = read_whole_file(directory_ + "/history.jsonl", longest_record);
  if (!file) return {};
  std::istringstream lines(file->text);
  for (std::string line; std::getline(lines, line);) {
    Json entry = Json::parse(line, nullptr, false);
    if (!entry.is_object() || !entry.contains("changes")) continue;
    const auto about = [&](const Json& change) {
      return text::iequals(change.value("subject", std::string()), partner);
    };
    if (!partner.empty() && std::none_of(entry["changes"].begin(), entry["changes"].end(), about)) continue;
    newest.push_back(std::move(entry));
    if (newest.size() > most) newest.pop_front();
  }
  return {newest.begin(), newest.end()};
}

Json history_entry(SystemTime when, const std::string& what, const SourceFiles& sources,
                   const std::string& sha256_before, const std::string& sha256_after,
                   const std::vector<RuleNews>& news) {
  Json files = Json::array(), changes = Json::array();
  for (const SourceFile& file : sources)
    files.push_back({{"path", file.path},
                     {"sha256", file.sha256},
                     {"owner", user_named(file.owner)},
                     {"modified", to_rfc3339(file.modified)}});
  for (const RuleNews& each : news) {
    Json change{{"kind", each.setting ? "setting" : "rule"},
                {"subject", each.subject},
                {"way", name_of(each.way)},
                {"text", each.text},
                {"file", each.file}};
    if (!each.domains.empty()) change["domains"] = each.domains;
    if (each.held) change["held"] = true;
    if (!each.approved_by.empty())
      change.update({{"approved_by", each.approved_by}, {"reason", each.reason}, {"approval", each.written}});
    changes.push_back(std::move(change));
  }
  return {{"when", to_rfc3339(when)},
          {"time", when.time_since_epoch().count()},
          {"what", what},
          {"sha256_before", sha256_before},
          {"sha256", sha256_after},
          {"files", std::move(files)},
          {"changes", std::move(changes)}};
}

}  // namespace sealpost::app
