// SPDX-License-Identifier: Apache-2.0
//
// The control socket: HTTP with JSON bodies on a Unix socket that only its owner may open (T-59). `POST
// /v1/NAME` with an object of arguments calls the handler of that name; the answer is its value, or {"error",
// "remedy"} with a 4xx or 5xx status. libevent's HTTP server does the protocol; caps and the total deadline
// around it are ours, because its own timeouts are per read.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "base/health.hpp"
#include "event/event_loop.hpp"
#include "event/task.hpp"
#include "event/wait.hpp"
#include "sealpost/expected.hpp"

struct bufferevent;
struct event_base;
struct evhttp;
struct evhttp_bound_socket;
struct evhttp_request;

namespace sealpost::admin {

using Json = nlohmann::json;

struct Answer {
  Answer(Json body_) : body(std::move(body_)) {}  // NOLINT: a value is an answer
  Answer(int status_, std::string error, std::string remedy = {});
  int status = 200;
  Json body;
};

using Handler = std::function<event::Task<Answer>(Json arguments)>;

struct ControlLimits {
  ControlLimits() = default;
  std::size_t idle = 64;                         // connections that were not answered yet; further ones wait
  Duration idle_time = std::chrono::seconds(5);  // without a word from the client
};

class ControlServer {
 public:
  explicit ControlServer(event::EventLoop& loop, ControlLimits limits = {});
  ~ControlServer();
  // Binds `path` (mode 0600). A dead socket of ours is replaced; anything else of that name stays as it is, and is
  // an error. Errc::exists: another process answers; named where the system tells.
  Expected<void> listen(const std::string& path);
  void handle(std::string name, Handler handler);
  // What a client would be answered, for who is in this process (web/).
  event::Task<Answer> ask(std::string name, Json arguments);
  // For ever: makes the socket again when somebody has deleted it. `health` is told while something else has its name.
  event::Task<void> keep(Health& health);

 private:
  struct Pending;
  static void on_request(evhttp_request* request, void* self);
  static bufferevent* on_connection(event_base* base, void* self);
  void answered();
  event::Task<void> count_windows();
  bool is_ours() const;
  event::Task<void> serve(std::shared_ptr<Pending> pending, Handler handler, Json arguments);

  event::EventLoop& loop_;
  struct FreeHttp {
    void operator()(evhttp* http) const noexcept;
  };
  std::unique_ptr<evhttp, FreeHttp> http_;
  std::map<std::string, Handler, std::less<>> handlers_;
  std::string path_;
  dev_t device_ = 0;  // of the socket we made
  ino_t inode_ = 0;
  std::size_t open_requests_ = 0;
  const ControlLimits limits_;
  evhttp_bound_socket* bound_ = nullptr;
  // Accepted and not answered, in this stretch of idle_time and in the one before: libevent does not tell when a
  // connection has gone, but an idle one is gone by the end of the next stretch.
  std::array<std::size_t, 2> unanswered_{};
  bool counting_ = false;  // count_windows() runs
  bool paused_ = false;
  event::TaskScope scope_;
};

}  // namespace sealpost::admin
