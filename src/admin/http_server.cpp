// SPDX-License-Identifier: Apache-2.0
#include "admin/http_server.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <utility>

namespace sealpost::admin {
namespace {

constexpr std::size_t most_unheard = 64 << 10;  // octets of a refused request that are still taken
constexpr std::size_t lease_step = 64 << 10;    // of memory for a report
constexpr auto unheard_time = std::chrono::seconds(1);
constexpr auto settling = std::chrono::milliseconds(5);  // for those who give way to be gone

std::string_view reason_of(int status) noexcept {
  switch (status) {
    case 200: return "OK";
    case 202: return "Accepted";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Error";
  }
}

// Nothing is kept by anybody, and a browser makes nothing of a page of text but text.
std::string head_of(const Page& page) {
  std::string head = "HTTP/1.1 " + std::to_string(page.status) + " " + std::string(reason_of(page.status)) +
                     "\r\nContent-Type: " + std::string(page.type) +
                     "\r\nContent-Length: " + std::to_string(page.body.size()) +
                     "\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n";
  if (page.plain) head += "Cache-Control: no-store\r\nContent-Security-Policy: default-src 'none'\r\n";
  head += page.more_headers;
  if (page.status == 405) head += "Allow: " + std::string(page.allow) + "\r\n";
  return head + "\r\n";
}

event::Task<Expected<Page>> made(event::Task<Page> work) {
  try {
    co_return co_await std::move(work);
  } catch (const std::exception& error) {
    co_return Page(500, std::string(error.what()) + "\n");
  }
}

event::Task<std::optional<Page>> admitted(event::Task<std::optional<Page>> work) {
  try {
    co_return co_await std::move(work);
  } catch (const std::exception& error) {
    co_return Page(500, std::string(error.what()) + "\n");
  }
}

event::Task<Expected<event::Semaphore::Permit>> place_in(event::Semaphore& places) {
  co_return co_await places.acquire();
}

}  // namespace

void Page::header(std::string_view name, std::string_view value) {
  if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) return;
  more_headers.append(name).append(": ").append(value).append("\r\n");
}

struct HttpServer::Connection {
  Connection(HttpServer& server_, std::unique_ptr<event::Stream> stream_,
             intake::ConnectionLimits::Slot slot_)
      : server(server_),
        slot(std::move(slot_)),
        stream(std::move(stream_)),
        client(stream->peer().address),
        descriptor(stream->descriptor()),
        since(server.loop_.now()),
        place(server.open_.insert(server.open_.end(), this)) {
    if (server.box_) memory.emplace(server.box_->memory);
  }
  ~Connection() {
    server.open_.erase(place);
    wipe(unread);
  }
  // However long its client takes with the answer, others may have the memory.
  void forget_body() {
    wipe(unread);
    std::string().swap(unread);
    if (memory) memory->clear();
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  HttpServer& server;
  intake::ConnectionLimits::Slot slot;              // of one who brings a report
  std::optional<intake::BodyBudget::Lease> memory;  // for it
  std::unique_ptr<event::Stream> stream;            // null: a handshake has ended it
  const IpAddress client;
  int descriptor;  // of the socket below, while there is one
  SteadyTime since;
  std::shared_ptr<const HandshakeFacts> tls;
  std::string unread;  // what came behind what was read
  bool ours = false;   // waits for us, not for its client
  bool gave_way = false;
  std::list<Connection*>::iterator place;
};

HttpServer::HttpServer(event::EventLoop& loop, std::vector<Network> allow, HttpLimits limits)
    : loop_(loop),
      allow_(std::move(allow)),
      limits_(limits),
      visits_(loop, std::max<std::size_t>(1, limits.connections / 4)),
      scope_(loop) {}

HttpServer::~HttpServer() {
  listener_.reset();
  scope_.cancel();
}

void HttpServer::page(std::string path, Maker maker) { pages_.emplace(std::move(path), std::move(maker)); }

void HttpServer::site(Site site, std::function<bool()> open) {
  site_ = std::move(site);
  site_open_ = std::move(open);
}

void HttpServer::tls(Acceptor acceptor) { tls_ = std::move(acceptor); }

void HttpServer::serve_box(Box box) { box_.emplace(std::move(box)); }

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
  intake::ConnectionLimits::Slot slot;
  if (box_)
    slot = box_->places.enter(
        from, from.is_loopback() ? intake::Standing::trusted : intake::Standing::stranger, loop_.now());
  const bool allowed =
      box_ ? static_cast<bool>(slot)
           : from.is_loopback() || std::any_of(allow_.begin(), allow_.end(),
                                               [&](const Network& one) { return one.contains(from); });
  if (!allowed) {
    counters_.refused.fetch_add(1, std::memory_order_relaxed);
    return;  // without a word: to whom nothing is said nothing is known
  }
  counters_.connections.fetch_add(1, std::memory_order_relaxed);
  scope_.spawn(converse(std::make_unique<Connection>(*this, std::move(stream), std::move(slot))));
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
  if (connection.descriptor >= 0) ::shutdown(connection.descriptor, SHUT_RDWR);
}

event::Task<void> HttpServer::converse(std::unique_ptr<Connection> connection) {
  const auto begun = co_await begin(*connection);
  if (!begun) co_return;
  bool body = true;
  auto page = co_await answer(*connection, body);
  if (!page) co_return;
  if (box_ && box_->shape) box_->shape(*page);
  if (box_ && box_->answered) box_->answered(connection->client, *page);
  connection->forget_body();
  std::string text = head_of(*page);
  if (body) text += page->body;
  const auto said = co_await say(*connection, std::move(text));
  if (!said && said.error().code == Errc::timed_out)
    counters_.timed_out.fetch_add(1, std::memory_order_relaxed);
  if (said) co_await hear_out(*connection);
}

event::Task<Expected<void>> HttpServer::begin(Connection& connection) {
  if (!tls_ || connection.descriptor < 0) co_return Expected<void>();
  const auto wanted = co_await shows_tls(connection);
  if (!wanted) co_return wanted.error();
  if (!*wanted && box_ && box_->encrypted_only) {
    counters_.refused.fetch_add(1, std::memory_order_relaxed);
    co_return Error(Errc::refused, "no TLS");
  }
  if (!*wanted) co_return Expected<void>();
  const SteadyTime end = event::deadline(connection.since, limits_.request);
  auto secured = co_await tls_(std::move(connection.stream), end - loop_.now());
  if (!secured) {
    connection.descriptor = -1;  // somebody else's by now
    co_return secured.error();
  }
  connection.stream = std::move(secured->stream);
  connection.tls = std::move(secured->facts);
  co_return Expected<void>();
}

// By its first octet, which stays where it is: a handshake begins with 22 (RFC 8446 §5.1), a request with a letter.
event::Task<Expected<bool>> HttpServer::shows_tls(Connection& connection) {
  constexpr char handshake = 22;
  const SteadyTime end = event::deadline(connection.since, limits_.request);
  for (;;) {
    char first = 0;
    const ssize_t got = ::recv(connection.descriptor, &first, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got == 1) co_return first == handshake;
    if (got == 0) co_return Error(Errc::closed, "connection closed by peer");
    if (errno != EAGAIN && errno != EINTR) co_return Error(Errc::io, "connection lost");
    connection.stream->drained(event::Interest::read);
    const bool ready = co_await connection.stream->wait(event::Interest::read, end - loop_.now());
    if (!ready || loop_.now() >= end) co_return false;  // it is told so in clear
  }
}

event::Task<Expected<Page>> HttpServer::answer(Connection& connection, bool& body) {
  const auto head = co_await read_head(connection);
  if (!head && head.error().code == Errc::timed_out) {
    counters_.timed_out.fetch_add(1, std::memory_order_relaxed);
    co_return Page(408, "no request came in time\n");
  }
  if (!head && head.error().code == Errc::too_long) co_return Page(431, "the request is too long\n");
  if (!head) co_return head.error();
  const bool has_site = box_ || (site_ && site_open_());
  const HttpTaken taken = has_site ? HttpTaken::forms : HttpTaken::reading;
  auto request = read_http_request(*head, box_ ? box_->taken : taken, box_ ? box_->most_message : 0);
  if (!request) {
    Page refused(request.error().status, std::string(request.error().why) + "\n");
    if (box_) refused.allow = "POST";
    co_return refused;
  }
  body = request->method != HttpRequest::Method::head;
  if (auto refusal = refusal_of(connection, *request)) co_return std::move(*refusal);
  const auto found = box_ ? pages_.end() : pages_.find(request->path);
  if (found != pages_.end()) {
    if (request->method == HttpRequest::Method::post)
      co_return Page(405, "only GET and HEAD are answered here\n");
    co_return co_await made_in_time(connection, found->second(), limits_.page);
  }
  if (!has_site) {
    std::string there;
    for (const auto& [path, maker] : pages_) there += path + "\n";
    co_return Page(404, "there is no such page; there are:\n" + there);
  }
  const Site& taker = box_ ? box_->take : site_;
  if (box_ && box_->admit) {
    Visit visit;
    visit.request = *request;
    visit.client = connection.client;
    visit.tls = connection.tls;
    auto refused = co_await admitted(box_->admit(visit));
    if (refused) co_return std::move(*refused);
  }
  const auto told = co_await go_on(connection, *request);
  if (!told) co_return told.error();
  const auto form = co_await read_form(connection, request->form_octets);
  if (!form && form.error().code == Errc::timed_out) {
    counters_.timed_out.fetch_add(1, std::memory_order_relaxed);
    co_return Page(408, "the body did not come in time\n");
  }
  if (!form && form.error().code == Errc::no_space) {
    Page busy(503, "too much comes at this moment; try again in a minute\n");
    busy.header("Retry-After", "60");
    co_return busy;
  }
  if (!form) co_return form.error();
  // Until it has a place it may give way to others.
  const auto place = co_await event::within(loop_, limits_.place, place_in(visits_));
  if (!place) {
    counters_.visits_refused.fetch_add(1, std::memory_order_relaxed);
    Page busy(503, "too many requests are under way at this moment; try again in some seconds\n");
    busy.header("Retry-After", "5");
    co_return busy;
  }
  Visit visit;
  visit.request = std::move(*request);
  visit.form.swap(connection.unread);
  visit.client = connection.client;
  visit.tls = connection.tls;
  event::Task<Page> work = taker(std::move(visit));
  co_return co_await made_in_time(connection, std::move(work), limits_.site);
}

event::Task<Expected<Page>> HttpServer::made_in_time(Connection& connection, event::Task<Page> work,
                                                     Duration limit) {
  connection.ours = true;
  auto page = co_await event::within(loop_, limit, made(std::move(work)));
  connection.ours = false;
  if (!page) co_return Page(503, "the relay did not answer in time\n");
  co_return page;
}

std::optional<Page> HttpServer::refusal_of(const Connection& connection, const HttpRequest& request) const {
  if (!box_) return std::nullopt;
  if (request.path != box_->path) return Page(404, "nothing is here\n");
  return box_->refusal ? box_->refusal(connection.client) : std::nullopt;
}

// A client that asks before it sends its body is told to, unless some of it is here (RFC 9110 §10.1.1).
event::Task<Expected<void>> HttpServer::go_on(Connection& connection, const HttpRequest& request) {
  if (!request.asks_first || !connection.unread.empty()) co_return Expected<void>();
  std::string text = "HTTP/1.1 100 Continue\r\n\r\n";
  co_return co_await say(connection, std::move(text));
}

// The time is that of the whole request (T-26).
event::Task<Expected<void>> HttpServer::read_form(Connection& connection, std::size_t octets) {
  const SteadyTime end = event::deadline(connection.since, limits_.request);
  // It may hold a password: no copies are left behind.
  std::string& form = connection.unread;
  std::string roomy;
  roomy.reserve(octets);
  roomy += std::string_view(form).substr(0, octets);
  wipe(form);
  form.swap(roomy);
  WipedRoom<4096> some;
  while (form.size() < octets) {
    const std::size_t wanted = std::min(some.octets.size(), octets - form.size());
    const std::size_t room = (form.size() + wanted + lease_step - 1) / lease_step * lease_step;
    if (connection.memory && !connection.memory->grow_to(room))
      co_return Error(Errc::no_space, "too many reports at once");
    const event::IoResult got = connection.stream->try_read(std::span(some.octets).first(wanted));
    if (got.state == event::IoState::closed) co_return Error(Errc::closed, "connection closed by peer");
    if (got.state == event::IoState::failed) co_return connection.stream->error();
    if (got.state == event::IoState::done) form.append(some.octets.data(), got.bytes);
    if (got.state == event::IoState::would_block) {
      const bool ready = co_await connection.stream->wait(got.want, end - loop_.now());
      if (!ready) co_return Error(Errc::timed_out, "no form in time");
    }
    if (loop_.now() >= end) co_return Error(Errc::timed_out, "no form in time");
  }
  co_return Expected<void>();
}

// Octets that drip in do not extend its time (T-26).
event::Task<Expected<std::string>> HttpServer::read_head(Connection& connection) {
  const SteadyTime end = event::deadline(connection.since, limits_.request);
  std::string head;
  WipedRoom<2048> some;  // a form may come along
  for (;;) {
    const event::IoResult got = connection.stream->try_read(std::span(some.octets));
    switch (got.state) {
      case event::IoState::closed: co_return Error(Errc::closed, "connection closed by peer");
      case event::IoState::failed: co_return connection.stream->error();
      case event::IoState::done: {
        head.append(some.octets.data(), got.bytes);
        const std::size_t whole = http_head_end(head);
        if (whole != std::string::npos) {
          connection.unread.assign(head, whole);
          wipe(std::span(head).subspan(whole));
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

event::Task<Expected<void>> HttpServer::say(Connection& connection, std::string text) {
  const SteadyTime end = event::deadline(loop_.now(), limits_.answer);
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
