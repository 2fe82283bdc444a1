// SPDX-License-Identifier: Apache-2.0
#include "app/port_owner.hpp"

#include <unistd.h>

#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/process.hpp"

namespace sealpost::app {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t most_processes = 100'000;

// Links of the sockets that listen on a port, from tables as proc(5) describes them: "sl local remote state tx:rx
// timer retransmit uid timeout inode".
void listening_sockets(const char* table, std::uint16_t port, std::set<std::string>& into) {
  std::ifstream file(table);
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::array<std::string, 10> word;
    for (std::string& each : word) words >> each;
    const auto colon = word[1].rfind(':');
    if (word[3] != "0A" || colon == std::string::npos) continue;
    unsigned local = 0;
    std::from_chars(word[1].data() + colon + 1, word[1].data() + word[1].size(), local, 16);
    if (local == port) into.insert("socket:[" + word[9] + "]");
  }
}

bool has_one_of(const fs::path& process, const std::set<std::string>& sockets) {
  std::error_code failed;
  for (fs::directory_iterator fd(process / "fd", failed), end; !failed && fd != end; fd.increment(failed)) {
    std::error_code unreadable;
    const fs::path target = fs::read_symlink(fd->path(), unreadable);
    if (!unreadable && sockets.contains(target.string())) return true;
  }
  return false;
}

}  // namespace

std::string port_owner(const Endpoint& at) {
  std::set<std::string> sockets;
  listening_sockets("/proc/net/tcp", at.port, sockets);
  listening_sockets("/proc/net/tcp6", at.port, sockets);
  if (sockets.empty()) return {};
  const std::string self = std::to_string(::getpid());
  std::size_t seen = 0;
  std::error_code failed;
  for (fs::directory_iterator entry("/proc", failed), end; !failed && entry != end; entry.increment(failed)) {
    const std::string pid = entry->path().filename().string();
    if (pid.find_first_not_of("0123456789") != std::string::npos || pid == self) continue;
    if (++seen > most_processes) break;
    if (!has_one_of(entry->path(), sockets)) continue;
    return process_in_words(pid);
  }
  return {};
}

Error listener_refused(const Endpoint& at, const Error& error, const std::string& key) {
  Error told = error;
  if (error.detail.find("in use") != std::string::npos) {
    const std::string owner = port_owner(at);
    told.detail += owner.empty() ? "; end the process that listens there, or name another port in " + key
                                 : ": " + owner + " listens there; end it, or name another port in " + key;
  } else if (!at.address.is_v4()) {
    told.detail += "; if IPv6 is switched off here, take this address out of " + key;
  }
  return told;
}

}  // namespace sealpost::app
