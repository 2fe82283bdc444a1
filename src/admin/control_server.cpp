// SPDX-License-Identifier: Apache-2.0
#include "admin/control_server.hpp"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/handles.hpp"
#include "base/log.hpp"
#include "base/planted.hpp"
#include "base/process.hpp"
#include "event/wait.hpp"

namespace sealpost::admin {
namespace {

using namespace std::chrono_literals;
constexpr ev_ssize_t most_body = 16 << 20;  // a report of 10 MiB as base64; only the owner can send it
constexpr ev_ssize_t most_headers = 16 << 10;
constexpr std::size_t most_requests = 64;
constexpr auto handler_deadline = 60s;
constexpr auto at_work = 70s;  // what a client may be silent while its handler works
constexpr auto look_every = 5s;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

// What is under the name of the socket: only a dead socket of our own is taken away.
Expected<void> make_room(const std::string& path, const sockaddr_un& address) {
  const auto refused = [&path](const std::string& why, Errc code = Errc::invalid) {
    return Error(code, "control socket " + path + ": " + why);
  };
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return refused(std::strerror(errno), Errc::io);
  }
  if (planted(Plant::steal_socket)) {
    ::unlink(path.c_str());
    return {};
  }
  if (!S_ISSOCK(status.st_mode))
    return refused("there is something else of this name, which is left as it is; name another path");
  if (status.st_uid != ::geteuid())
    return refused("a socket of user " + std::to_string(status.st_uid) + " has this name; name another path");
  const FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return refused(std::strerror(errno), Errc::io);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    ucred peer{};
    socklen_t size = sizeof peer;
    const bool known = ::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0;
    return refused("another process answers there" +
                       (known ? ": " + process_in_words(std::to_string(peer.pid)) : std::string()),
                   Errc::exists);
  }
  if (errno == EAGAIN) return refused("another process listens there, and is busy", Errc::exists);
  if (errno != ECONNREFUSED)
    return refused(std::string("cannot tell whether it is in use: ") + std::strerror(errno));
  if (::unlink(path.c_str()) != 0)
    return refused(std::string("the dead one cannot be removed: ") + std::strerror(errno), Errc::io);
  return {};
}

Error last_error(const std::string& what) { return Error(Errc::io, what + ": " + std::strerror(errno)); }

timeval in_timeval(Duration duration) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(duration);
  timeval value{};
  value.tv_sec = static_cast<decltype(value.tv_sec)>(seconds.count());
  value.tv_usec = static_cast<decltype(value.tv_usec)>(
      std::chrono::duration_cast<std::chrono::microseconds>(duration - seconds).count());
  return value;
}

void reply(evhttp_request* request, const Answer& answer) {
  evbuffer* body = evhttp_request_get_output_buffer(request);
  const std::string text = answer.body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  evbuffer_add(body, text.data(), text.size());
  evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", "application/json");
  evhttp_add_header(evhttp_request_get_output_headers(request), "Connection", "close");
  evhttp_send_reply(request, answer.status, answer.status < 400 ? "OK" : "Error", nullptr);
}

}  // namespace

Answer::Answer(int status_, std::string error, std::string remedy)
    : status(status_), body(Json{{"error", std::move(error)}}) {
  if (!remedy.empty()) body["remedy"] = std::move(remedy);
}

void ControlServer::FreeHttp::operator()(evhttp* http) const noexcept { evhttp_free(http); }

// A request whose handler is at work; `request` is null once the client has gone.
struct ControlServer::Pending {
  explicit Pending(evhttp_request* request_) : request(request_) {}
  evhttp_request* request;
};

ControlServer::ControlServer(event::EventLoop& loop, ControlLimits limits)
    : loop_(loop), http_(evhttp_new(loop.base())), limits_(limits), scope_(loop) {
  evhttp_set_allowed_methods(http_.get(), EVHTTP_REQ_POST);
  evhttp_set_max_body_size(http_.get(), most_body);
  evhttp_set_max_headers_size(http_.get(), most_headers);
  const timeval idle = in_timeval(limits_.idle_time);
  evhttp_set_timeout_tv(http_.get(), &idle);
  evhttp_set_gencb(http_.get(), &ControlServer::on_request, this);
  evhttp_set_bevcb(http_.get(), &ControlServer::on_connection, this);
}

ControlServer::~ControlServer() {
  http_.reset();  // first: its connections tell the requests that are at work, which the scope destroys
  scope_.cancel();
  if (path_.empty()) return;
  if (is_ours()) ::unlink(path_.c_str());  // not what another one has put there meanwhile
}

bool ControlServer::is_ours() const {
  struct stat now {};
  return ::lstat(path_.c_str(), &now) == 0 && now.st_dev == device_ && now.st_ino == inode_;
}

event::Task<void> ControlServer::keep(Health& health) {
  for (;;) {
    co_await event::sleep_for(loop_, look_every);
    if (path_.empty() || is_ours()) {
      health.clear("control socket");
      continue;
    }
    const auto again = listen(path_);
    if (again) {
      log::warning("control_socket_made_again", {{"path", path_}, {"why", "it was deleted"}});
      health.clear("control socket");
    } else {
      health.raise("control socket", again.error().detail + "; no command reaches the relay",
                   "take away what is there; the socket is made again by itself");
    }
  }
}

// Counted here, because here alone libevent tells of a new connection. Null: it makes the buffers itself.
bufferevent* ControlServer::on_connection(event_base*, void* self_pointer) {
  auto& self = *static_cast<ControlServer*>(self_pointer);
  if (!std::exchange(self.counting_, true)) self.scope_.spawn(self.count_windows());
  ++self.unanswered_[0];
  if (self.unanswered_[0] + self.unanswered_[1] >= self.limits_.idle && self.bound_ != nullptr) {
    evconnlistener_disable(evhttp_bound_socket_get_listener(self.bound_));
    self.paused_ = true;
  }
  return nullptr;
}

void ControlServer::answered() {
  std::size_t& from = unanswered_[1] > 0 ? unanswered_[1] : unanswered_[0];
  if (from > 0) --from;
}

// While there are connections without an answer.
event::Task<void> ControlServer::count_windows() {
  while (unanswered_[0] + unanswered_[1] > 0 || paused_) {
    co_await event::sleep_for(loop_, limits_.idle_time);
    unanswered_[1] = std::exchange(unanswered_[0], 0);
    if (paused_ && unanswered_[1] < limits_.idle && bound_ != nullptr) {
      evconnlistener_enable(evhttp_bound_socket_get_listener(bound_));
      paused_ = false;
    }
  }
  counting_ = false;
}

Expected<void> ControlServer::listen(const std::string& path) {
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    return Error(Errc::invalid,
                 "control socket path '" + path + "' is longer than a Unix socket path may be (107 octets)");
  const sockaddr_un address = address_of(path);
  if (auto room = make_room(path, address); !room) return room;
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return last_error("control socket");
  // Born 0600: the name gets the mode of the socket. A umask would be that of all threads.
  const bool bound =
      ::fchmod(fd, 0600) == 0 && ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  if (!bound || ::listen(fd, 64) != 0) {
    Error error = last_error("control socket " + path);
    ::close(fd);
    return error;
  }
  evhttp_bound_socket* const accepting = evhttp_accept_socket_with_handle(http_.get(), fd);
  if (accepting == nullptr) {
    ::close(fd);
    return Error(Errc::io, "control socket " + path + ": cannot serve it");
  }
  if (bound_ != nullptr) evhttp_del_accept_socket(http_.get(), bound_);
  bound_ = accepting;
  paused_ = false;
  path_ = path;
  struct stat made {};
  if (::lstat(path.c_str(), &made) == 0) {
    device_ = made.st_dev;
    inode_ = made.st_ino;
  }
  return {};
}

void ControlServer::handle(std::string name, Handler handler) {
  handlers_.emplace(std::move(name), std::move(handler));
}

void ControlServer::on_request(evhttp_request* request, void* self_pointer) {
  auto& self = *static_cast<ControlServer*>(self_pointer);
  self.answered();  // now, or within the handler's deadline
  const std::string_view uri = evhttp_request_get_uri(request);
  constexpr std::string_view prefix = "/v1/";
  const auto handler =
      uri.starts_with(prefix) ? self.handlers_.find(uri.substr(prefix.size())) : self.handlers_.end();
  if (handler == self.handlers_.end())
    return reply(request, Answer(404, "no such command", "see 'sealpost --help'"));
  if (self.open_requests_ >= most_requests)
    return reply(request, Answer(503, "too many control requests at once"));

  evbuffer* input = evhttp_request_get_input_buffer(request);
  const std::size_t size = evbuffer_get_length(input);
  const char* bytes = size == 0 ? "" : reinterpret_cast<const char*>(evbuffer_pullup(input, -1));
  Json arguments = size == 0 ? Json::object() : Json::parse(bytes, bytes + size, nullptr, false);
  if (!arguments.is_object()) return reply(request, Answer(400, "the request is not a JSON object"));

  const timeval patience = in_timeval(at_work);
  evhttp_connection_set_timeout_tv(evhttp_request_get_connection(request), &patience);
  auto pending = std::make_shared<Pending>(request);
  ++self.open_requests_;
  evhttp_connection_set_closecb(
      evhttp_request_get_connection(request),
      [](evhttp_connection*, void* argument) { static_cast<Pending*>(argument)->request = nullptr; },
      pending.get());
  self.scope_.spawn(self.serve(std::move(pending), handler->second, std::move(arguments)));
}

namespace {
event::Task<Expected<Answer>> guarded(event::Task<Answer> work) {
  try {
    co_return co_await std::move(work);
  } catch (const Json::exception& error) {
    co_return Answer(400, std::string("bad arguments: ") + error.what());
  } catch (const std::exception& error) {
    co_return Answer(500, error.what());
  }
}
}  // namespace

event::Task<Answer> ControlServer::ask(std::string name, Json arguments) {
  const auto handler = handlers_.find(name);
  if (handler == handlers_.end()) co_return Answer(404, "no such command");
  auto answer =
      co_await event::within(loop_, handler_deadline, guarded(handler->second(std::move(arguments))));
  if (answer) co_return std::move(*answer);
  co_return Answer(504, "the relay did not answer within a minute");
}

event::Task<void> ControlServer::serve(std::shared_ptr<Pending> pending, Handler handler, Json arguments) {
  auto answer = co_await event::within(loop_, handler_deadline, guarded(handler(std::move(arguments))));
  --open_requests_;
  if (pending->request == nullptr) co_return;
  evhttp_connection_set_closecb(evhttp_request_get_connection(pending->request), nullptr, nullptr);
  if (answer) {
    reply(pending->request, *answer);
  } else {
    const Answer late(504, "the relay did not answer within a minute");
    reply(pending->request, late);
  }
}

}  // namespace sealpost::admin
