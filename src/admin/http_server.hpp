// SPDX-License-Identifier: Apache-2.0
//
// `control.http`: what may be known of the relay by whoever watches it, as pages of text; and the site, if there is one,
// which has everything else under its own rules (web/site.hpp). Without a site no command reaches the relay here, whatever
// is sent (T-59). Each connection carries one request, is bounded in octets and in time from its first to its last, and
// there are `connections` of them at most: when all are taken, one that has waited longest for its client gives way, so
// that slow ones keep nobody out. What the site makes may take long, and then it waits for us: no more than a quarter of the
// places are its at once, so that who watches the relay is always answered. With an acceptor a connection that begins with a TLS handshake is taken as one.
//
// A server with a Box has one path instead, to which something is brought with POST, and nothing else is there, no page and no
// site: TLS reports of strangers, `tls_rpt.receive_http`, or messages of programs that have a token, `injection.http`.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/http_request.hpp"
#include "base/handles.hpp"
#include "base/wipe.hpp"
#include "event/event_loop.hpp"
#include "event/listener.hpp"
#include "event/semaphore.hpp"
#include "event/wait.hpp"
#include "intake/body_budget.hpp"
#include "intake/connection_limits.hpp"
#include "sealpost/handshake_facts.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost::admin {

struct HttpLimits {
  HttpLimits() = default;
  std::size_t connections = 32;
  Duration request = std::chrono::seconds(10);    // until the head is there
  Duration page = std::chrono::seconds(10);       // until the page is made
  Duration site = std::chrono::seconds(70);       // until one of the site is: a command has a minute
  Duration place = std::chrono::seconds(5);       // until the site has a place for one more visit
  Duration answer = std::chrono::seconds(10);     // until the client has taken it
  Duration turn = std::chrono::milliseconds(50);  // what a connection is sure of when all are taken
};

struct Page {
  Page(int status_, std::string body_, std::string_view type_ = "text/plain; charset=utf-8")
      : status(status_), body(std::move(body_)), type(type_) {}
  // "Name: value", where the value is of our making; one with the end of a line in it is left out.
  void header(std::string_view name, std::string_view value);
  int status;
  std::string body;
  std::string_view type;                 // of static storage
  std::string_view allow = "GET, HEAD";  // what a 405 says may be done
  std::string more_headers;              // whole lines
  bool plain = true;  // what every page of text has for a policy; false: more_headers has them
};

// A request to the site.
struct Visit {
  Visit() = default;
  Visit(Visit&&) noexcept = default;
  Visit& operator=(Visit&&) noexcept = default;
  ~Visit() { wipe(form); }  // it may hold a password
  HttpRequest request;
  std::string form;  // its octets, as they came
  IpAddress client;
  std::shared_ptr<const HandshakeFacts> tls;  // null: in clear
};

class HttpServer {
 public:
  using Maker = std::function<event::Task<Page>()>;

  // `allow`: who may connect besides loopback.
  HttpServer(event::EventLoop& loop, std::vector<Network> allow, HttpLimits limits = {});
  ~HttpServer();
  void page(std::string path, Maker maker);  // before listen()
  // What no page() has; `open` is asked at each request, and while it says no there is no site.
  using Site = std::function<event::Task<Page>(Visit visit)>;
  void site(Site site, std::function<bool()> open);
  struct Secured {
    std::unique_ptr<event::Stream> stream;
    std::shared_ptr<const HandshakeFacts> facts;  // never null
  };
  using Acceptor =
      std::function<event::Task<Expected<Secured>>(std::unique_ptr<event::Stream> plain, Duration limit)>;
  void tls(Acceptor acceptor);
  // All of it is asked and called on the loop; what it refers to outlives the server.
  struct Box {
    Box(std::string path_, Site take_, intake::ConnectionLimits& places_, intake::BodyBudget& memory_)
        : path(std::move(path_)), take(std::move(take_)), places(places_), memory(memory_) {}
    std::string path;
    Site take;  // what was brought, whole
    HttpTaken taken = HttpTaken::reports;
    std::size_t most_message = 0;      // as of read_http_request()
    intake::ConnectionLimits& places;  // of one address too; loopback is a proxy's, and all places are its
    intake::BodyBudget& memory;        // of bodies that are being read
    bool encrypted_only = false;       // who speaks in clear is not answered
    std::function<std::optional<Page>(const IpAddress& client)> refusal;  // asked before a body is read
    // Likewise, of the head of the request, where that takes time. `visit` has no body yet.
    std::function<event::Task<std::optional<Page>>(const Visit& visit)> admit;
    std::function<void(Page& page)> shape;  // every answer, before it leaves
    std::function<void(const IpAddress& client, const Page& page)> answered;
  };
  void serve_box(Box box);  // before listen()
  Expected<void> listen(FileDescriptor socket);

  struct Counters {
    std::atomic<std::uint64_t> connections{0};
    std::atomic<std::uint64_t> refused{0};         // from addresses that may not, or have too many
    std::atomic<std::uint64_t> gave_way{0};        // ended for another one's sake
    std::atomic<std::uint64_t> timed_out{0};       // too slow in asking or in taking the answer
    std::atomic<std::uint64_t> visits_refused{0};  // the site had no place for them
  };
  const Counters& counters() const noexcept { return counters_; }
  std::size_t open() const noexcept { return open_.size(); }

 private:
  struct Connection;
  void accepted(std::unique_ptr<event::Stream> stream);
  event::Task<void> converse(std::unique_ptr<Connection> connection);
  event::Task<Expected<Page>> answer(Connection& connection, bool& body);
  event::Task<Expected<void>> begin(Connection& connection);
  event::Task<Expected<bool>> shows_tls(Connection& connection);
  event::Task<Expected<std::string>> read_head(Connection& connection);
  event::Task<Expected<void>> go_on(Connection& connection, const HttpRequest& request);
  event::Task<Expected<void>> read_form(Connection& connection, std::size_t octets);
  std::optional<Page> refusal_of(const Connection& connection, const HttpRequest& request) const;
  event::Task<Expected<Page>> made_in_time(Connection& connection, event::Task<Page> work, Duration limit);
  event::Task<Expected<void>> say(Connection& connection, std::string text);
  event::Task<void> hear_out(Connection& connection);
  event::Task<void> make_room();
  void give_way(Connection& connection);

  event::EventLoop& loop_;
  const std::vector<Network> allow_;
  const HttpLimits limits_;
  std::map<std::string, Maker, std::less<>> pages_;
  Site site_;
  std::function<bool()> site_open_;
  Acceptor tls_;
  std::optional<Box> box_;  // then nothing else is served
  Counters counters_;
  std::list<Connection*> open_;  // the oldest first
  bool making_room_ = false;
  event::Semaphore visits_;  // to the site, under way
  event::TaskScope scope_;   // the connections
  std::unique_ptr<event::Listener> listener_;
};

}  // namespace sealpost::admin
