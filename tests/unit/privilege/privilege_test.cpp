// SPDX-License-Identifier: Apache-2.0
#include <doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <thread>

#include "privilege/confine.hpp"
#include "privilege/identity.hpp"

using namespace sealpost;

namespace {

// Runs in a process of its own, since what is given up is gone for good. 0: all held.
int in_child(const std::function<int()>& work) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(work());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

struct Directory {
  Directory() {
    char name[] = "/tmp/sealpost-privilege-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Directory() { std::filesystem::remove_all(path); }
  std::string path;
};

bool can_write(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

bool is_on(const std::string& wall) { return wall == "in force"; }

}  // namespace

TEST_CASE("T-53 behind the walls no program starts, no file is written elsewhere, no code is made") {
  const Directory inside, outside;
  CHECK(in_child([&] {
          const privilege::Walls walls = privilege::confine_relay({inside.path, "/nowhere/at/all"});
          if (is_on(walls.landlock)) {
            if (!can_write(inside.path + "/file")) return 1;
            if (::rename((inside.path + "/file").c_str(), (inside.path + "/other").c_str()) != 0) return 2;
            if (::unlink((inside.path + "/other").c_str()) != 0) return 3;
            if (can_write(outside.path + "/file")) return 4;
            if (::mkdir((outside.path + "/new").c_str(), 0700) == 0) return 5;
            if (!can_write("/dev/null")) return 6;
            if (::open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0) return 7;
          }
          if (is_on(walls.seccomp)) {
            char program[] = "/bin/true";
            char* const arguments[] = {program, nullptr};
            ::execv(program, arguments);
            if (errno != EPERM && errno != EACCES) return 8;
            if (::fork() >= 0) return 9;
            if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0) return 10;
            if (::socket(AF_PACKET, SOCK_RAW, 0) >= 0 || errno != EAFNOSUPPORT) return 11;
            if (::socket(AF_ALG, SOCK_SEQPACKET, 0) >= 0 || errno != EAFNOSUPPORT) return 12;
            if (::setuid(::getuid()) == 0) return 13;
            const timespec epoch{};
            if (::clock_settime(CLOCK_REALTIME, &epoch) == 0) return 14;
            void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (::mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0) return 15;
            int in_thread = 0;  // threads are still made, and stand behind the same walls
            std::thread([&] { in_thread = ::fork() < 0 ? 1 : 2; }).join();
            if (in_thread != 1) return 16;
          }
          for (const int family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}) {
            const int type = family == AF_NETLINK ? SOCK_RAW : SOCK_STREAM;
            const int fd = ::socket(family, type | SOCK_CLOEXEC, 0);
            if (fd < 0 && errno != EAFNOSUPPORT) return 17;  // a machine may have no IPv6
          }
          return privilege::no_new_privileges() ? 0 : 18;
        }) == 0);
}

TEST_CASE("T-62 no core is dumped") {
  CHECK(in_child([] {
          privilege::forbid_dumps();
          rlimit limit{};
          ::getrlimit(RLIMIT_CORE, &limit);
          return limit.rlim_cur == 0 && limit.rlim_max == 0 ? 0 : 1;
        }) == 0);
}

TEST_CASE("T-53 from root to a user there is no way back; low ports stay possible until all is dropped") {
  if (!privilege::is_root()) return;
  const auto user = privilege::find_user("nobody");
  REQUIRE(user);
  CHECK(in_child([&] {
          if (!privilege::become(*user)) return 1;
          if (::getuid() != user->uid || ::geteuid() != user->uid || ::getgid() != user->gid) return 2;
          if (::setuid(0) == 0 || ::seteuid(0) == 0) return 3;
          if (privilege::capabilities() != "net_bind_service") return 4;
          if (!privilege::drop_all()) return 5;
          if (privilege::capabilities() != "none") return 6;
          return privilege::no_new_privileges() ? 0 : 7;
        }) == 0);
}

TEST_CASE("T-53 of rights that were lent one is kept, and never one that was not") {
  if (!privilege::is_root()) return;
  CHECK(in_child([] {
          if (!privilege::keep_only(privilege::Kept::read_all_files)) return 1;
          if (privilege::capabilities() != "dac_read_search") return 2;
          if (!privilege::keep_only(privilege::Kept::bind_low_ports)) return 3;
          return privilege::capabilities() == "none" ? 0 : 4;
        }) == 0);
}

TEST_CASE("a user that does not exist is named, with what to do") {
  const auto user = privilege::find_user("no-such-user-here");
  REQUIRE_FALSE(user);
  CHECK(user.error().detail.find("useradd --system") != std::string::npos);
}
