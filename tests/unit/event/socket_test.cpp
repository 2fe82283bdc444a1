// SPDX-License-Identifier: Apache-2.0
//
// TCP on loopback: connecting, transfer in both directions, every way a connection ends, and listeners.
#include "event/socket_stream.hpp"

#include <doctest.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <string>
#include <vector>

#include "../few_descriptors.hpp"
#include "event/line_stream.hpp"
#include "event/listener.hpp"
#include "event/run.hpp"
#include "event/sockaddr.hpp"

namespace sealpost::event {
namespace {

using namespace std::chrono_literals;

// A listener that keeps what it accepts.
struct Server {
  explicit Server(EventLoop& loop, const char* at = "127.0.0.1:0") {
    auto socket = listen_on(*Endpoint::parse(at));
    REQUIRE(socket);
    auto started = Listener::start(loop, std::move(*socket), [this](std::unique_ptr<Stream> stream) {
      accepted.push_back(std::move(stream));
      if (on_accept) on_accept();
    });
    REQUIRE(started);
    listener = std::move(*started);
  }
  Endpoint at() const { return listener->local(); }
  std::vector<std::unique_ptr<Stream>> accepted;
  std::function<void()> on_accept;
  std::unique_ptr<Listener> listener;
};

Task<Expected<std::unique_ptr<Stream>>> connect_to(EventLoop& loop, Endpoint to, Duration limit = 5s) {
  SocketConnector connector(loop);
  auto stream = co_await connector.connect(to, limit);
  co_return std::move(stream);
}

struct Pair {
  std::unique_ptr<Stream> client;
  std::unique_ptr<Stream> server;
};
Pair connected_pair(EventLoop& loop, const char* at = "127.0.0.1:0") {
  Server server(loop, at);
  Pair pair;
  auto client = run_until_done(loop, connect_to(loop, server.at()));
  REQUIRE(client);
  pair.client = std::move(*client);
  if (server.accepted.empty()) {
    server.on_accept = [&loop] { loop.stop(); };
    loop.run();
  }
  REQUIRE(server.accepted.size() == 1);
  pair.server = std::move(server.accepted.front());
  return pair;
}

Task<void> pump_out(LineStream& stream, std::size_t octets) {
  const std::string chunk(100'000, 'x');
  while (octets > 0) {
    const std::size_t size = std::min(octets, chunk.size());
    auto sent = co_await stream.send(std::string_view(chunk).substr(0, size), 10s);
    if (!sent) co_return;
    octets -= size;
  }
  stream.close();
}
Task<std::size_t> count_in(LineStream& stream) {
  std::size_t octets = 0;
  for (;;) {
    auto got = co_await stream.fill(10s);
    if (!got || *got == 0) co_return octets;
    octets += *got;
    stream.consume(stream.buffered().size());
  }
}

TEST_CASE("both families: addresses of both ends, and megabytes in both directions at once") {
  for (const char* at : {"127.0.0.1:0", "[::1]:0"}) {
    CAPTURE(std::string(at));
    EventLoop loop;
    Pair pair = connected_pair(loop, at);
    CHECK(pair.client->peer() == pair.server->local());
    CHECK(pair.server->peer() == pair.client->local());
    CHECK(pair.server->peer().address.is_loopback());
    CHECK(pair.client->descriptor() >= 0);
    constexpr std::size_t octets = 20'000'000;
    LineStream client(std::move(pair.client));
    LineStream server(std::move(pair.server));
    TaskScope scope(loop);
    scope.spawn(pump_out(client, octets));
    scope.spawn(pump_out(server, octets));
    CHECK(run_until_done(loop, count_in(client)) == octets);
    CHECK(run_until_done(loop, count_in(server)) == octets);
  }
}

// A listening socket in the file system, in a directory of its own.
struct PathServer {
  explicit PathServer(int backlog) {
    REQUIRE(::mkdtemp(directory) != nullptr);
    path = std::string(directory) + "/socket";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    socket = FileDescriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(socket.get(), backlog) == 0);
  }
  ~PathServer() {
    ::unlink(path.c_str());
    ::rmdir(directory);
  }
  PathServer(const PathServer&) = delete;
  PathServer& operator=(const PathServer&) = delete;
  char directory[32] = "/tmp/sealpost-path-XXXXXX";
  std::string path;
  FileDescriptor socket;
};

TEST_CASE(
    "a socket in the file system: octets both ways, nobody there, a full backlog, a path that is too long") {
  EventLoop loop;
  {
    const PathServer server(8);
    auto stream = run_until_done(loop, connect_to_path(loop, server.path, 5s));
    REQUIRE(stream);
    const FileDescriptor there(::accept4(server.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(there);
    CHECK((*stream)->try_write("ask").bytes == 3);
    char heard[8];
    CHECK(::recv(there.get(), heard, sizeof heard, 0) == 3);
    CHECK(::send(there.get(), "tell\n", 5, 0) == 5);
    LineStream lines(std::move(*stream));
    const auto line = run_until_done(loop, lines.line(100, 5s));
    REQUIRE(line);
    CHECK(line->text == "tell");
  }
  {
    const PathServer server(0);
    auto taken = run_until_done(loop, connect_to_path(loop, server.path, 5s));
    CHECK(taken);
    auto waited = run_until_done(loop, connect_to_path(loop, server.path, 100ms));
    REQUIRE_FALSE(waited);
    CHECK(waited.error().code == Errc::timed_out);
  }
  auto nobody = run_until_done(loop, connect_to_path(loop, "/tmp/sealpost-nobody", 5s));
  REQUIRE_FALSE(nobody);
  CHECK(nobody.error().detail.find("No such file") != std::string::npos);
  CHECK_FALSE(run_until_done(loop, connect_to_path(loop, "/" + std::string(200, 'x'), 5s)));
}

TEST_CASE("connecting fails with what callers branch on") {
  EventLoop loop;
  Endpoint closed_port;
  {
    const Server gone(loop);
    closed_port = gone.at();
  }
  auto refused = run_until_done(loop, connect_to(loop, closed_port));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::refused);
  auto broadcast = run_until_done(loop, connect_to(loop, *Endpoint::parse("255.255.255.255:25")));
  REQUIRE_FALSE(broadcast);
  CHECK(broadcast.error().code == Errc::unreachable);
}

TEST_CASE("connecting to who does not answer ends at the limit") {
  // Nobody accepts here, so once the queue of finished handshakes is full, the kernel drops what asks for
  // more.
  ListenOptions options;
  options.backlog = 0;
  auto socket = listen_on(*Endpoint::parse("127.0.0.1:0"), options);
  REQUIRE(socket);
  EventLoop loop;
  std::vector<std::unique_ptr<Stream>> queued;
  for (int i = 0; i < 10; ++i) {
    auto stream = run_until_done(loop, connect_to(loop, local_of(socket->get()), 60ms));
    if (!stream) {
      CHECK(stream.error().code == Errc::timed_out);
      return;
    }
    queued.push_back(std::move(*stream));
  }
  FAIL("all connections were taken");
}

TEST_CASE("a source address can be chosen; one that is not ours is an error") {
  EventLoop loop;
  Server server(loop);
  SocketConnector connector(loop, IpAddress::parse("127.0.0.9"));
  auto stream = run_until_done(loop, connector.connect(server.at(), 5s));
  REQUIRE(stream);
  CHECK((*stream)->local().address == *IpAddress::parse("127.0.0.9"));
  SocketConnector foreign(loop, IpAddress::parse("192.0.2.1"));
  auto failed = run_until_done(loop, foreign.connect(server.at(), 5s));
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == Errc::unreachable);
}

// ---- how connections end
// ----------------------------------------------------------------------------------------

TEST_CASE("bytes and the end that come together are both seen") {
  // The edge that announces the end may be the one that announced the bytes. Without care a short read would
  // then wait for ever.
  EventLoop loop;
  for (int i = 0; i < 200; ++i) {
    Pair pair = connected_pair(loop);
    pair.client->try_write("last words");
    if (i % 2) pair.server->close();
    pair.client.reset();
    LineStream server(std::move(pair.server));
    auto got = run_until_done(loop, server.fill(2s));
    REQUIRE(got);
    CHECK(*got == 10);
    auto end = run_until_done(loop, server.fill(2s));
    REQUIRE(end);
    CHECK(*end == 0);
  }
}

TEST_CASE("after our own end the peer's answer and end are still seen") {
  EventLoop loop;
  for (int i = 0; i < 100; ++i) {
    Pair pair = connected_pair(loop);
    LineStream client(std::move(pair.client));
    client.close();
    pair.server->try_write("221 bye\r\n");
    if (i % 2) pair.server.reset();
    auto line = run_until_done(loop, client.line(512, 2s));
    REQUIRE(line);
    pair.server.reset();
    auto end = run_until_done(loop, client.fill(2s));
    REQUIRE(end);
    CHECK(*end == 0);
  }
}

TEST_CASE("a reset is io, for who reads and for who writes") {
  EventLoop loop;
  for (const bool reading : {true, false}) {
    CAPTURE(reading);
    Pair pair = connected_pair(loop);
    const linger hard{1, 0};
    ::setsockopt(pair.server->descriptor(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    LineStream client(std::move(pair.client));
    pair.server.reset();
    if (reading) {
      auto got = run_until_done(loop, client.fill(2s));
      REQUIRE_FALSE(got);
      CHECK(got.error().code == Errc::io);
    } else {
      auto sent = run_until_done(loop, client.send(std::string(100'000, 'x'), 2s));
      REQUIRE_FALSE(sent);
      CHECK(sent.error().code == Errc::io);
    }
  }
}

TEST_CASE("a peer that does not read ends in timed_out") {
  EventLoop loop;
  Pair pair = connected_pair(loop);
  LineStream client(std::move(pair.client));
  auto sent = run_until_done(loop, client.send(std::string(64'000'000, 'x'), 30ms));
  REQUIRE_FALSE(sent);
  CHECK(sent.error().code == Errc::timed_out);
}

Task<bool> readable_within(Stream& stream, Duration limit) {
  const bool ready = co_await stream.wait(Interest::read, limit);
  co_return ready;
}

TEST_CASE("who reads the descriptor itself says when it is drained") {
  EventLoop loop;
  Pair pair = connected_pair(loop);
  pair.client->try_write("abc");
  CHECK(run_until_done(loop, readable_within(*pair.server, 2s)));
  CHECK(pair.server->may_progress(Interest::read));
  char buffer[16];
  CHECK(::read(pair.server->descriptor(), buffer, sizeof buffer) == 3);
  CHECK(run_until_done(loop, readable_within(*pair.server, 1ms)));  // as far as the stream knows
  pair.server->drained(Interest::read);
  CHECK_FALSE(run_until_done(loop, readable_within(*pair.server, 1ms)));
  pair.client->try_write("d");
  CHECK(run_until_done(loop, readable_within(*pair.server, 2s)));
}

// ---- listeners
// --------------------------------------------------------------------------------------------------

TEST_CASE("an address in use names itself in the error; with reuse_port it is shared") {
  auto first = listen_on(*Endpoint::parse("127.0.0.1:0"));
  REQUIRE(first);
  const Endpoint at = local_of(first->get());
  auto second = listen_on(at);
  REQUIRE_FALSE(second);
  CHECK(second.error().detail.find(at.to_string()) != std::string::npos);
  ListenOptions shared;
  shared.reuse_port = true;
  auto third = listen_on(*Endpoint::parse("127.0.0.1:0"), shared);
  REQUIRE(third);
  CHECK(listen_on(local_of(third->get()), shared));
}

TEST_CASE("[::] does not take IPv4 along") {
  auto v6 = listen_on(*Endpoint::parse("[::]:0"));
  REQUIRE(v6);
  const Endpoint v4(*IpAddress::parse("0.0.0.0"), local_of(v6->get()).port);
  CHECK(listen_on(v4));
}

TEST_CASE("a paused listener leaves connections in the backlog") {
  EventLoop loop;
  Server server(loop);
  server.listener->pause();
  auto client = run_until_done(loop, connect_to(loop, server.at()));
  CHECK(client);
  CHECK(server.accepted.empty());
  server.on_accept = [&loop] { loop.stop(); };
  server.listener->resume();
  loop.run();
  CHECK(server.accepted.size() == 1);
}

Task<void> wait_then_stop(Loop& loop, Duration time) {
  co_await sleep_for(loop, time);
  loop.stop();
}

TEST_CASE("T-27: out of descriptors the listener pauses 100 ms, does not spin, and recovers") {
  EventLoop loop;
  Server server(loop);
  std::vector<std::unique_ptr<Stream>> clients;
  TaskScope scope(loop);
  {
    const sealpost::test::FewDescriptors few(6);
    server.listener->pause();  // the clients take what there is; who is first does not hang on the scheduler
    for (int i = 0; i < 6; ++i) {
      auto client = run_until_done(loop, connect_to(loop, server.at()));
      if (client) clients.push_back(std::move(*client));
    }
    server.listener->resume();
    rusage before{}, after{};
    ::getrusage(RUSAGE_THREAD, &before);
    scope.spawn(wait_then_stop(loop, 350ms));
    loop.run();
    ::getrusage(RUSAGE_THREAD, &after);
    const auto us = [](const rusage& usage) {
      return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000 + usage.ru_utime.tv_usec +
             usage.ru_stime.tv_usec;
    };
    CHECK(us(after) - us(before) < 70'000);  // under 20 % of a CPU
    CHECK(server.listener->starved() >= 2);
    CHECK(server.listener->starved() <= 6);
    CHECK(server.accepted.size() < clients.size());
  }
  server.on_accept = [&] {
    if (server.accepted.size() == clients.size()) loop.stop();
  };
  if (server.accepted.size() < clients.size()) loop.run();
  CHECK(server.accepted.size() == clients.size());
}

TEST_CASE(
    "listening sockets are inherited from a service manager, and only by the process they are meant for") {
  auto socket = listen_on(*Endpoint::parse("127.0.0.1:0"));
  REQUIRE(socket);
  const Endpoint at = local_of(socket->get());
  for (const bool meant_for_us : {true, false}) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::dup2(socket->get(), 3);
      ::dup2(0, 4);  // not a listening socket: left out
      const auto pid = std::to_string(::getpid() + (meant_for_us ? 0 : 1));
      ::setenv("LISTEN_PID", pid.c_str(), 1);
      ::setenv("LISTEN_FDS", "2", 1);
      const auto sockets = inherited_listeners();
      const bool as_expected =
          meant_for_us ? sockets.size() == 1 && local_of(sockets[0].get()) == at : sockets.empty();
      ::_exit(as_expected && !::getenv("LISTEN_FDS") ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
  }
}

// ---- what an idle session costs
// ---------------------------------------------------------------------------------

Task<void> idle_session(std::unique_ptr<Stream> stream) {
  LineStream lines(std::move(stream));
  for (;;) {
    auto line = co_await lines.line(2048, 5min);
    if (!line) co_return;
    lines.put("250 ok\r\n");
    auto sent = co_await lines.flush(5min);
    if (!sent) co_return;
  }
}

// The clients keep no buffers, so that what is counted is the server's.
Task<void> greet(std::vector<std::unique_ptr<Stream>>& clients) {
  char answer[64];
  for (const auto& client : clients) {
    client->try_write("NOOP\r\n");
    IoResult got = client->try_read(answer);
    while (got.state == IoState::would_block) {
      const bool ready = co_await client->wait(Interest::read, 5s);
      if (!ready) throw std::runtime_error("no answer");
      got = client->try_read(answer);
    }
  }
}

TEST_CASE("an idle session has given its input buffer back") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return;  // their allocators do not count for mallinfo2
#endif
  EventLoop loop;
  Server server(loop);
  constexpr std::size_t sessions = 100;
  std::vector<std::unique_ptr<Stream>> clients;
  for (std::size_t i = 0; i < sessions; ++i) {
    auto client = run_until_done(loop, connect_to(loop, server.at()));
    REQUIRE(client);
    clients.push_back(std::move(*client));
  }
  while (server.accepted.size() < sessions) {
    server.on_accept = [&loop] { loop.stop(); };
    loop.run();
  }
  TaskScope scope(loop);
  const auto before = ::mallinfo2().uordblks;
  for (auto& stream : server.accepted) scope.spawn(idle_session(std::move(stream)));
  run_until_done(loop, greet(clients));
  run_until_done(loop, greet(clients));
  const auto each = (::mallinfo2().uordblks - before) / sessions;
  MESSAGE("heap per idle session: " << each << " octets, without its socket stream");
  CHECK(each < 2048);
}

}  // namespace
}  // namespace sealpost::event
