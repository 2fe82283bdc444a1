// SPDX-License-Identifier: Apache-2.0
#include "admin/control_server.hpp"

#include <doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "../open_descriptors.hpp"
#include "../temporary_directory.hpp"
#include "base/handles.hpp"
#include "cli/control_client.hpp"
#include "event/wait.hpp"

using namespace sealpost;

namespace {

sealpost::event::Task<admin::Answer> echo(admin::Json arguments) {
  co_return admin::Answer(std::move(arguments));
}
sealpost::event::Task<admin::Answer> refuse(admin::Json) {
  co_return admin::Answer(404, "nothing here", "look elsewhere");
}
sealpost::event::Task<admin::Answer> throws(admin::Json arguments) {
  co_return admin::Answer(arguments.at("missing"));
}

FileDescriptor connected(const std::string& path) {
  FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
  return fd;
}

sealpost::event::Task<void> watch_descriptors(sealpost::event::EventLoop& loop, std::size_t& most) {
  for (;;) {
    most = std::max(most, test::open_descriptors());
    co_await sealpost::event::sleep_for(loop, std::chrono::milliseconds(5));
  }
}

}  // namespace

TEST_CASE("T-59 the control socket is its owner's, and answers over HTTP and JSON") {
  const TemporaryDirectory dir;
  const std::string path = dir.path() + "/control.sock";
  sealpost::event::EventLoop loop;
  {
    admin::ControlServer server(loop);
    server.handle("echo", echo);
    server.handle("refuse", refuse);
    server.handle("throws", throws);
    REQUIRE(server.listen(path));
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);

    std::thread client([&] {
      const auto said = cli::ask_relay(path, "echo", {{"id", "x\r\ny"}});
      CHECK(said);
      if (said) CHECK((*said)["id"] == "x\r\ny");
      const auto refused = cli::ask_relay(path, "refuse", cli::Json::object());
      CHECK_FALSE(refused);
      if (!refused) CHECK(refused.error().message == "nothing here");
      if (!refused) CHECK(refused.error().exit_code == 66);
      const auto unknown = cli::ask_relay(path, "no/such", cli::Json::object());
      CHECK_FALSE(unknown);
      const auto bad = cli::ask_relay(path, "throws", cli::Json::object());
      CHECK_FALSE(bad);
      if (!bad) CHECK(bad.error().exit_code == 65);
      const auto array = cli::ask_relay(path, "echo", cli::Json::array());
      CHECK_FALSE(array);
      loop.stop();
    });
    loop.run();
    client.join();

    std::thread second([&] {
      sealpost::event::EventLoop other;
      admin::ControlServer rival(other);
      const auto listening = rival.listen(path);
      CHECK_FALSE(listening);
      if (!listening) CHECK(listening.error().code == Errc::exists);
      if (!listening)
        CHECK(listening.error().detail.find("pid " + std::to_string(::getpid())) != std::string::npos);
    });
    second.join();
    CHECK_FALSE(admin::ControlServer(loop).listen(dir.path() + "/" + std::string(120, 'x')));
  }
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK(cli::ask_relay(path, "echo", cli::Json::object()).error().exit_code == 69);
}

TEST_CASE("T-59 a dead socket of ours is replaced, and nothing else") {
  const TemporaryDirectory dir;
  const std::string path = dir.path() + "/control.sock";
  sealpost::event::EventLoop loop;
  {
    const FileDescriptor dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, path.size());
    REQUIRE(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  {
    admin::ControlServer server(loop);
    CHECK(server.listen(path));
  }
  CHECK_FALSE(std::filesystem::exists(path));

  std::ofstream(path) << "do not lose me";
  std::filesystem::create_directory(dir.path() + "/directory");
  std::filesystem::create_symlink(path, dir.path() + "/link");
  for (const std::string& taken : {path, dir.path() + "/directory", dir.path() + "/link"}) {
    CAPTURE(taken);
    admin::ControlServer server(loop);
    const auto refused = server.listen(taken);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().detail.find(taken) != std::string::npos);
  }
  CHECK(std::filesystem::file_size(path) == 14);
  CHECK(std::filesystem::is_symlink(dir.path() + "/link"));
  CHECK_FALSE(admin::ControlServer(loop).listen(dir.path() + "/none/control.sock"));
}

TEST_CASE("T-59 idle connections are bounded, and a command gets its turn behind them") {
  const TemporaryDirectory dir;
  const std::string path = dir.path() + "/control.sock";
  sealpost::event::EventLoop loop;
  admin::ControlLimits limits;
  limits.idle = 8;
  limits.idle_time = std::chrono::milliseconds(50);
  admin::ControlServer server(loop, limits);
  server.handle("echo", echo);
  REQUIRE(server.listen(path));

  std::vector<FileDescriptor> idle;
  for (int i = 0; i < 40; ++i) {
    idle.push_back(connected(path));
    REQUIRE(idle.back());
  }
  const std::size_t before = test::open_descriptors();
  std::size_t most = 0;
  bool answered = false;
  std::thread client([&] {
    answered = static_cast<bool>(cli::ask_relay(path, "echo", cli::Json::object()));
    loop.stop();
  });
  sealpost::event::TaskScope scope(loop);
  scope.spawn(watch_descriptors(loop, most));
  loop.run();
  client.join();
  CHECK(answered);
  CHECK(most <= before + limits.idle + 4);  // the client's own, and what counts them
}

TEST_CASE("T-59 any number of commands one after another are answered") {
  const TemporaryDirectory dir;
  const std::string path = dir.path() + "/control.sock";
  sealpost::event::EventLoop loop;
  admin::ControlLimits limits;
  limits.idle = 4;
  limits.idle_time = std::chrono::hours(1);  // no turn of the window helps
  admin::ControlServer server(loop, limits);
  server.handle("echo", echo);
  REQUIRE(server.listen(path));
  int answered = 0;
  std::thread client([&] {
    for (int i = 0; i < 100; ++i) answered += cli::ask_relay(path, "echo", cli::Json::object()) ? 1 : 0;
    loop.stop();
  });
  loop.run();
  client.join();
  CHECK(answered == 100);
}
