// SPDX-License-Identifier: Apache-2.0
#include "admin/http_server.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

namespace sealpost::admin {
namespace {

constexpr std::size_t most_unheard = 64 << 10;  // octets of a refused request that are still taken
constexpr auto unheard_time = std::chrono::seconds(1);
constexpr auto settling = std::chrono::milliseconds(5);  // for those who give way to be gone

std::string_view reason_of(int status) noexcept {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Error";
  }
}

// Nothing is kept by anybody, and a browser makes nothing of it but text.
std::string head_of(const Page& page) {
  std::string head = "HTTP/1.1 " + std::to_string(page.status) + " " + std::string(reason_of(page.status)) +
                     "\r\nContent-Type: " + std::string(page.type) +
                     "\r\nContent-Length: " + std::to_string(page.body.size()) +
                     "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff"
                     "\r\nContent-Security-Policy: default-src 'none'\r\nConnection: close\r\n";
  if (page.status == 405) head += "Allow: GET, HEAD\r\n";
  return head + "\r\n";
}

event::Task<Expected<Page>> made(event::Task<Page> work) {
  try {
    co_return co_await std::move(work);
  } catch (const std::exception& error) {
    co_return Page(500, std::string(error.what()) + "\n");
  }
}

}  // namespace

struct HttpServer::Connection {
  Connection(HttpServer& server_, std::unique_ptr<event::Stream> stream_)
      : server(server_),
        stream(std::move(stream_)),
        since(server.loop_.now()),
        place(server.open_.insert(server.open_.end(), this)) {}
  ~Connection() { server.open_.erase(place); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  HttpServer& server;
  std::unique_ptr<event::Stream> stream;
  SteadyTime since;
  bool ours = false;  // waits for us, not for its client
  bool gave_way = false;
  std::list<Connection*>::iterator place;
};

HttpServer::HttpServer(event::EventLoop& loop, std::vector<Network> allow, HttpLimits limits)
    : loop_(loop), allow_(std::move(allow)), limits_(limits), scope_(loop) {}

HttpServer::~HttpServer() {
  listener_.reset();
  scope_.cancel();
}

void HttpServer::page(std::string path, Maker maker) { pages_.emplace(std::move(path), std::move(maker)); }

Expected<void> HttpServer::listen(FileDescriptor socket) {
  auto listener =
      event::Listener::start(loop_, std::move(socket),
                             [this](std::unique_ptr<event::Stream> stream) { accepted(std::move(stream)); });
  if (!listener) return std::move(listener).error();
  listener_ = std::move(*listener);
  return {};
}

void HttpServer::accepted(std::unique_ptr<event::Stream> stream) {
  const IpAddress from = stream->peer().address;
  const bool allowed =
      from.is_loopback() ||
      std::any_of(allow_.begin(), allow_.end(), [&](const Network& one) { return one.contains(from); });
  if (!allowed) {
    counters_.refused.fetch_add(1, std::memory_order_relaxed);
    return;  // without a word: to whom nothing is said nothing is known
  }
  counters_.connections.fetch_add(1, std::memory_order_relaxed);
  scope_.spawn(converse(std::make_unique<Connection>(*this, std::move(stream))));
  if (open_.size() < limits_.connections) return;
  listener_->pause();
  if (!std::exchange(making_room_, true)) scope_.spawn(make_room());
}

// Each has had its turn before it gives way, so that who asks at once is answered, however many are silent. It ends by
// itself once its stream has: nothing is destroyed under it.
event::Task<void> HttpServer::make_room() {
  while (open_.size() >= limits_.connections) {
    std::size_t to_go = std::max<std::size_t>(1, limits_.connections / 4);
    SteadyTime look_again = loop_.now() + settling;
    for (Connection* connection : open_) {
      if (connection->ours || connection->gave_way) continue;
      const SteadyTime turn_ends = connection->since + limits_.turn;
      if (loop_.now() < turn_ends) look_again = std::max(look_again, turn_ends);
      if (loop_.now() < turn_ends || to_go == 0) break;
      give_way(*connection);
      --to_go;
    }
    co_await event::sleep_until(loop_, look_again);
  }
  making_room_ = false;
  if (listener_) listener_->resume();
}

void HttpServer::give_way(Connection& connection) {
  connection.gave_way = true;
  counters_.gave_way.fetch_add(1, std::memory_order_relaxed);
  if (const int fd = connection.stream->descriptor(); fd >= 0) ::shutdown(fd, SHUT_RDWR);
}

event::Task<void> HttpServer::converse(std::unique_ptr<Connection> connection) {
  bool body = true;
  auto page = co_await answer(*connection, body);
  if (!page) co_return;
  const auto said = co_await say(*connection, *page, body);
  if (!said && said.error().code == Errc::timed_out)
    counters_.timed_out.fetch_add(1, std::memory_order_relaxed);
  if (said) co_await hear_out(*connection);
}

event::Task<Expected<Page>> HttpServer::answer(Connection& connection, bool& body) {
  const auto head = co_await read_head(connection);
  if (!head && head.error().code == Errc::timed_out) {
    counters_.timed_out.fetch_add(1, std::memory_order_relaxed);
    co_return Page(408, "no request came in time\n");
  }
  if (!head && head.error().code == Errc::too_long) co_return Page(431, "the request is too long\n");
  if (!head) co_return head.error();
  const auto request = read_http_request(*head);
  if (!request) co_return Page(request.error().status, std::string(request.error().why) + "\n");
  body = request->method == HttpRequest::Method::get;
  const auto found = pages_.find(request->path);
  if (found == pages_.end()) {
    std::string there;
    for (const auto& [path, maker] : pages_) there += path + "\n";
    co_return Page(404, "there is no such page; there are:\n" + there);
  }
  connection.ours = true;
  auto page = co_await event::within(loop_, limits_.page, made(found->second()));
  connection.ours = false;
  if (!page) co_return Page(503, "the relay did not answer in time\n");
  co_return page;
}

// Octets that drip in do not extend its time (T-26).
event::Task<Expected<std::string>> HttpServer::read_head(Connection& connection) {
  const SteadyTime end = event::deadline(connection.since, limits_.request);
  std::string head;
  std::array<char, 2048> octets;
  for (;;) {
    const event::IoResult got = connection.stream->try_read(std::span(octets));
    switch (got.state) {
      case event::IoState::closed: co_return Error(Errc::closed, "connection closed by peer");
      case event::IoState::failed: co_return connection.stream->error();
      case event::IoState::done: {
        head.append(octets.data(), got.bytes);
        const std::size_t whole = http_head_end(head);
        if (whole != std::string::npos) {
          head.resize(whole);
          co_return head;
        }
        if (head.size() > http_head_cap) co_return Error(Errc::too_long, "a request without end");
        break;
      }
      case event::IoState::would_block: {
        const bool ready = co_await connection.stream->wait(got.want, end - loop_.now());
        if (!ready) co_return Error(Errc::timed_out, "no request in time");
        break;
      }
    }
    if (loop_.now() >= end) co_return Error(Errc::timed_out, "no request in time");
  }
}

event::Task<Expected<void>> HttpServer::say(Connection& connection, const Page& page, bool body) {
  const SteadyTime end = event::deadline(loop_.now(), limits_.answer);
  const std::string text = head_of(page) + (body ? page.body : std::string());
  std::string_view rest = text;
  while (!rest.empty()) {
    const event::IoResult put = connection.stream->try_write(rest);
    if (put.state == event::IoState::done) {
      rest.remove_prefix(put.bytes);
    } else if (put.state == event::IoState::would_block) {
      const bool ready = co_await connection.stream->wait(put.want, end - loop_.now());
      if (!ready) co_return Error(Errc::timed_out, "the answer was not taken in time");
    } else {
      co_return connection.stream->error();
    }
    if (!rest.empty() && loop_.now() >= end)
      co_return Error(Errc::timed_out, "the answer was not taken in time");
  }
  co_return Expected<void>();
}

// What a client still sends when it is answered would make the kernel reset the connection, and the answer with it.
event::Task<void> HttpServer::hear_out(Connection& connection) {
  connection.stream->close();
  const SteadyTime end = loop_.now() + unheard_time;
  std::array<char, 4096> octets;
  for (std::size_t heard = 0; heard < most_unheard && loop_.now() < end;) {
    const event::IoResult got = connection.stream->try_read(std::span(octets));
    if (got.state == event::IoState::closed || got.state == event::IoState::failed) co_return;
    heard += got.bytes;
    if (got.state != event::IoState::would_block) continue;
    const bool ready = co_await connection.stream->wait(got.want, end - loop_.now());
    if (!ready) co_return;
  }
}

}  // namespace sealpost::admin
