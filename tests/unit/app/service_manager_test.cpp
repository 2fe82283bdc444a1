// SPDX-License-Identifier: Apache-2.0
#include "app/service_manager.hpp"

#include <doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

using namespace sealpost;
using namespace std::chrono_literals;

namespace {

// The manager's end of NOTIFY_SOCKET, under a name without a file.
struct Manager {
  Manager() : fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    socklen_t size = sizeof at.sun_family;  // autobind: a name nobody else has
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), size) == 0);
    size = sizeof at;
    REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&at), &size) == 0);
    address = "@" + std::string(at.sun_path + 1, size - offsetof(sockaddr_un, sun_path) - 1);
  }
  std::string heard() const {
    std::array<char, 512> text{};
    const ssize_t got = ::recv(fd.get(), text.data(), text.size(), 0);
    return got > 0 ? std::string(text.data(), static_cast<std::size_t>(got)) : "";
  }
  FileDescriptor fd;
  std::string address;
};

}  // namespace

TEST_CASE("a service manager is told in its own words") {
  const Manager manager;
  const app::ServiceManager told(manager.address);
  told.ready();
  CHECK(manager.heard() == "READY=1");
  told.alive();
  CHECK(manager.heard() == "WATCHDOG=1");
  told.status("two\nlines");
  CHECK(manager.heard() == "STATUS=two lines");
  told.stopping(45s);
  CHECK(manager.heard() == "STOPPING=1\nEXTEND_TIMEOUT_USEC=45000000");
  told.reloading();
  CHECK(manager.heard().rfind("RELOADING=1\nMONOTONIC_USEC=", 0) == 0);
}

TEST_CASE("what the environment says of a service manager is taken out of it") {
  const Manager manager;
  struct Row {
    const char* microseconds;
    std::string pid;
    std::optional<Duration> watchdog;
  };
  const std::string ours = std::to_string(::getpid());
  for (const Row& row :
       {Row{"60000000", ours, 60s}, Row{"60000000", "", 60s}, Row{"60000000", "1", std::nullopt},
        Row{"0", ours, std::nullopt}, Row{"soon", ours, std::nullopt}, Row{"", ours, std::nullopt}}) {
    CAPTURE(row.microseconds);
    CAPTURE(row.pid);
    ::setenv("NOTIFY_SOCKET", manager.address.c_str(), 1);
    ::setenv("WATCHDOG_USEC", row.microseconds, 1);
    ::setenv("WATCHDOG_PID", row.pid.c_str(), 1);
    const auto told = app::ServiceManager::of_environment();
    CHECK(told.watchdog() == row.watchdog);
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})
      CHECK(std::getenv(name) == nullptr);
    told.ready();
    CHECK(manager.heard() == "READY=1");
  }
}

TEST_CASE("without a service manager, or with one that is gone or cannot be understood, nothing happens") {
  app::ServiceManager::of_environment().ready();
  app::ServiceManager("/nowhere/at/all").ready();
  app::ServiceManager("vsock:2:1234").ready();
  app::ServiceManager("/" + std::string(500, 'x')).ready();
  CHECK_FALSE(app::ServiceManager().watchdog());
}
