// SPDX-License-Identifier: Apache-2.0
#include "sqlite/mapping_guard.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <string_view>

namespace sealpost::sqlite {
namespace {

std::atomic<std::uint64_t> mappings_lost{0};
int maps = -1;  // /proc/self/maps, open since before it is needed: there may be no descriptor then
struct sigaction before {};

struct Mapping {
  std::uintptr_t from = 0, to = 0;
  std::string_view path;
};

std::uintptr_t take_number(std::string_view& line) noexcept {
  std::uintptr_t number = 0;
  for (; !line.empty() && line[0] != '-' && line[0] != ' '; line.remove_prefix(1))
    number = number * 16 + static_cast<std::uintptr_t>(line[0] <= '9' ? line[0] - '0' : line[0] - 'a' + 10);
  if (!line.empty()) line.remove_prefix(1);
  return number;
}

// "7f01c000-7f024000 rw-s 00000000 08:01 1234    /var/lib/sealpost/sts.db-shm"
Mapping parse(std::string_view line) noexcept {
  Mapping mapping;
  mapping.from = take_number(line);
  mapping.to = take_number(line);
  mapping.path = line;
  return mapping;
}

// From here on only what may be called in a handler of signals.
bool find_index(std::uintptr_t address, Mapping& found) noexcept {
  char line[4608];  // a path and what stands before it
  char piece[512];
  std::size_t length = 0;
  off_t at = 0;
  for (ssize_t got = 0; (got = ::pread(maps, piece, sizeof piece, at)) > 0; at += got) {
    for (ssize_t i = 0; i < got; ++i) {
      if (piece[i] != '\n') {
        if (length < sizeof line) line[length++] = piece[i];
        continue;
      }
      found = parse(std::string_view(line, length));
      length = 0;
      if (address >= found.from && address < found.to)
        return found.path.ends_with("-shm") || found.path.ends_with("-shm (deleted)");
    }
  }
  return false;
}

// A fault that is none of ours comes again at once, to whoever had it before.
void on_bus_error(int, siginfo_t* info, void*) {
  const int error = errno;
  Mapping mapping;
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  void* zeros = MAP_FAILED;
  if (info->si_code == BUS_ADRERR && find_index(address, mapping))
    zeros = ::mmap(reinterpret_cast<void*>(mapping.from), mapping.to - mapping.from, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (zeros == MAP_FAILED)
    ::sigaction(SIGBUS, &before, nullptr);
  else
    mappings_lost.fetch_add(1, std::memory_order_relaxed);
  errno = error;
}

void take_over() noexcept {
  maps = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (maps < 0) return;
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigaction(SIGBUS, &action, &before);
}

}  // namespace

void guard_mappings() noexcept {
  static std::once_flag once;
  std::call_once(once, take_over);
}

std::uint64_t lost_mappings() noexcept { return mappings_lost.load(std::memory_order_relaxed); }

}  // namespace sealpost::sqlite
