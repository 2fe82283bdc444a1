// SPDX-License-Identifier: Apache-2.0
#include "ledger/rule_history.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <nlohmann/json.hpp>

#include "base/digest.hpp"
#include "base/durable_file.hpp"

namespace sealpost::ledger {
namespace {

constexpr std::uint64_t most_of_history =
    64U << 20;  // octets; a line of ten thousand rules that all change has some three million
constexpr std::uint64_t largest_rule_set = 256U << 20;

// Up to `size` octets from `from` on; fewer at the end.
Expected<std::string> read_piece(int fd, const std::string& path, std::uint64_t from, std::uint64_t size) {
  std::string piece(size, '\0');
  std::size_t got = 0;
  while (got < size) {
    const auto read = ::pread(fd, piece.data() + got, size - got, static_cast<off_t>(from + got));
    if (read < 0 && errno == EINTR) continue;
    if (read < 0) return file_error(path, "read");
    if (read == 0) break;
    got += static_cast<std::size_t>(read);
  }
  piece.resize(got);
  return piece;
}

std::string member_text(const nlohmann::json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

// False: it is no line of a history.
bool read_line(const std::string& line, RuleChange& into) {
  const nlohmann::json entry = nlohmann::json::parse(line, nullptr, false);
  if (!entry.is_object()) return false;
  const auto changes = entry.find("changes");
  if (changes == entry.end() || !changes->is_array()) return false;
  const auto time = entry.find("time");
  if (time != entry.end() && time->is_number_integer())
    into.when = SystemTime(std::chrono::microseconds(time->get<std::int64_t>()));
  else if (const auto when = from_rfc3339(member_text(entry, "when")))  // of earlier releases, to the second
    into.when = *when;
  into.what = member_text(entry, "what");
  into.before = member_text(entry, "sha256_before");
  into.after = member_text(entry, "sha256");
  for (const nlohmann::json& change : *changes) {
    if (!change.is_object()) continue;
    ++into.changes;
    if (change.contains("held"))
      ++into.held;
    else if (member_text(change, "way") == "weaker")
      ++into.weaker;
  }
  into.text = line;
  return true;
}

}  // namespace

Expected<std::vector<RuleChange>> RuleHistory::behind(const HistoryPlace& place) const {
  std::vector<RuleChange> found;
  if (directory_.empty()) return found;
  const std::string path = directory_ + "/history.jsonl";
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT) return found;
    return file_error(path, "open");
  }
  std::uint64_t from = place.ends;
  if (place.ends > place.begins) {
    auto last =
        read_piece(fd.get(), path, place.begins, std::min(place.ends - place.begins, most_of_history));
    if (!last) return last.error();
    if (last->empty() || last->back() != '\n' || sha256_octets(*last) != place.digest) from = 0;
  }
  struct stat file {};
  if (::fstat(fd.get(), &file) != 0) return file_error(path, "stat");
  const std::uint64_t whole = std::max<std::uint64_t>(static_cast<std::uint64_t>(file.st_size), from);
  auto piece = read_piece(fd.get(), path, from, std::min(whole - from, most_of_history));
  if (!piece) return piece.error();
  for (std::size_t at = 0;;) {
    const auto end = piece->find('\n', at);
    if (end == std::string::npos) return found;
    RuleChange change;
    if (read_line(piece->substr(at, end - at), change)) {
      change.place.begins = from + at;
      change.place.ends = from + end + 1;
      change.place.digest = sha256_octets(std::string_view(*piece).substr(at, end + 1 - at));
      found.push_back(std::move(change));
    }
    at = end + 1;
  }
}

std::string RuleHistory::set(const std::string& sha256) const {
  const std::string path = directory_ + "/set-" + sha256 + ".json";
  const bool is_digest =
      sha256.size() == 64 && sha256.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (directory_.empty() || !is_digest) return {};
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat found {};
  if (!fd || ::fstat(fd.get(), &found) != 0 || found.st_size <= 0) return {};
  const auto size = static_cast<std::uint64_t>(found.st_size);
  if (size > largest_rule_set) return {};
  auto text = read_piece(fd.get(), path, 0, size);
  return text && sha256_hex(*text) == sha256 ? std::move(*text) : std::string();
}

}  // namespace sealpost::ledger
