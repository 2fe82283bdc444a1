// SPDX-License-Identifier: Apache-2.0
#include "app/service_manager.hpp"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "base/log.hpp"
#include "base/text.hpp"

namespace sealpost::app {
namespace {

using std::chrono::microseconds;

std::string taken_from_environment(const char* name) {
  const char* value = std::getenv(name);
  std::string taken = value != nullptr ? value : "";
  ::unsetenv(name);
  return taken;
}

// Meant for us: WATCHDOG_PID may name a parent whose environment we have inherited.
std::optional<Duration> watchdog_of(const std::string& microseconds_text, const std::string& pid) {
  if (!pid.empty() && text::parse_u64(pid) != static_cast<std::uint64_t>(::getpid())) return std::nullopt;
  const auto value = text::parse_u64(microseconds_text);
  constexpr std::uint64_t most = 24ULL * 3600 * 1'000'000;  // a longer one is none
  if (!value || *value == 0 || *value > most) return std::nullopt;
  return microseconds(*value);
}

std::string monotonic_microseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);  // what systemd compares with
  return std::to_string(static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000);
}

}  // namespace

ServiceManager ServiceManager::of_environment() {
  const std::string address = taken_from_environment("NOTIFY_SOCKET");
  const std::string limit = taken_from_environment("WATCHDOG_USEC");
  const std::string pid = taken_from_environment("WATCHDOG_PID");
  return address.empty() ? ServiceManager() : ServiceManager(address, watchdog_of(limit, pid));
}

ServiceManager::ServiceManager(const std::string& address, std::optional<Duration> watchdog)
    : address_(address), watchdog_(watchdog) {
  const bool abstract = !address.empty() && address.front() == '@';
  const bool known = abstract || (!address.empty() && address.front() == '/');
  if (!known || address.size() >= sizeof(sockaddr_un::sun_path)) {
    log::warning("notify_socket_ignored",
                 {{"address", address}, {"why", "NOTIFY_SOCKET is neither a path nor @name"}});
    return;
  }
  if (abstract) address_.front() = '\0';
  socket_ = FileDescriptor(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const timeval limit{1, 0};
  if (socket_) ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

void ServiceManager::reloading() const { send("RELOADING=1\nMONOTONIC_USEC=" + monotonic_microseconds()); }

void ServiceManager::stopping(Duration limit) const {
  send("STOPPING=1\nEXTEND_TIMEOUT_USEC=" +
       std::to_string(std::chrono::duration_cast<microseconds>(limit).count()));
}

void ServiceManager::status(std::string_view words) const {
  std::string line(words);
  std::replace(line.begin(), line.end(), '\n', ' ');
  send("STATUS=" + line);
}

// To the name each time: a manager that was started anew has another socket there.
void ServiceManager::send(std::string_view message) const {
  if (!socket_) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  ::sendto(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL,
           reinterpret_cast<const sockaddr*>(&to), size);
}

}  // namespace sealpost::app
