// SPDX-License-Identifier: Apache-2.0
//
// The control socket: HTTP with JSON bodies on a Unix socket that only its owner may open (T-59). `POST
// /v1/NAME` with an object of arguments calls the handler of that name; the answer is its value, or {"error",
// "hint"} with a 4xx or 5xx status. libevent's HTTP server does the protocol; caps and the total deadline
// around it are ours, because its own timeouts are per read.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "event/event_loop.hpp"
#include "event/task.hpp"
#include "event/wait.hpp"
#include "sealpost/expected.hpp"

struct evhttp;
struct evhttp_request;

namespace sealpost::admin {

using Json = nlohmann::json;

struct Answer {
  Answer(Json body_) : body(std::move(body_)) {}  // NOLINT: a value is an answer
  Answer(int status_, std::string error, std::string hint = {});
  int status = 200;
  Json body;
};

using Handler = std::function<event::Task<Answer>(Json arguments)>;

class ControlServer {
 public:
  explicit ControlServer(event::EventLoop& loop);
  ~ControlServer();
  // Binds `path` (mode 0600). A dead socket of ours is replaced; anything else of that name stays as it is, and is
  // an error. Errc::exists: another process answers; named where the system tells.
  Expected<void> listen(const std::string& path);
  void handle(std::string name, Handler handler);

 private:
  struct Pending;
  static void on_request(evhttp_request* request, void* self);
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
  event::TaskScope scope_;
};

}  // namespace sealpost::admin
