// SPDX-License-Identifier: Apache-2.0
//
// An open SMTP session and the pool of idle ones of a worker. A connection may serve another lane only when
// its recorded handshake satisfies that lane's own requirement, and when that lane would have shown the same of
// itself: the pool hands out candidates, the dialer judges (T-07, ADR 18).
#pragma once

#include <list>
#include <memory>
#include <string>

#include "delivery/hosts.hpp"
#include "event/wait.hpp"
#include "sealpost/handshake_facts.hpp"
#include "smtp/client_session.hpp"

namespace sealpost::delivery {

struct Proof;
struct Rules;
class SmartHost;

// Our side of a connection: what was read to make it, offered on it and shown. How strong the handshake became is no
// part of it: that is a fact of the session, and judge() sees it.
struct Offer {
  Offer() = default;
  std::shared_ptr<const Rules> rules;           // trust, routes, minimum and partner rules come with them
  bool tls = true;                              // STARTTLS was to be used; false: a rule says tls = none
  std::string server_name;                      // SNI: MX host or TLSA base domain
  std::shared_ptr<const SmartHost> smart_host;  // as whose account it is logged in
  std::shared_ptr<const tls::ServerIdentity> identity;  // what it was ready to show of us

  // May a connection made with this offer be used by who would have made `wanted`? A reload parts them: what was
  // verified under the former rules and trust proves nothing under the present ones.
  bool serves(const Offer& wanted, const SessionFacts& facts) const noexcept;
};

struct Connection {
  Connection(std::unique_ptr<smtp::ClientSession> session_, HostRegistry::Lease lease_)
      : session(std::move(session_)), lease(std::move(lease_)) {}
  std::unique_ptr<smtp::ClientSession> session;
  HostRegistry::Lease lease;
  std::string mx_host;
  std::uint16_t port = 25;
  Endpoint endpoint;
  SessionFacts facts;
  bool report_class = false;  // carries TLS-RPT mail: never shared with other mail (R21)
  Offer offer;
  std::uint32_t messages = 0;  // transactions
  std::uint32_t accepted = 0;  // of these, taken
  std::shared_ptr<const Proof>
      proof;  // of what it shows the mail it carries now; never null when it was dialled
};

class ConnectionPool {
 public:
  ConnectionPool(event::Loop& loop, Duration idle_limit, std::size_t most);

  // Keeps a healthy connection for a while; closes the oldest when full.
  void put(std::unique_ptr<Connection> connection);
  // An idle connection to this host that `fits`; stale ones found on the way are closed.
  template <class Fits>
  std::unique_ptr<Connection> take(const std::string& mx_host, std::uint16_t port, bool report_class,
                                   Fits fits) {
    for (auto it = idle_.begin(); it != idle_.end();) {
      Connection& candidate = *it->connection;
      if (candidate.mx_host != mx_host || candidate.port != port || candidate.report_class != report_class) {
        ++it;
        continue;
      }
      if (candidate.session->stale()) {
        it = idle_.erase(it);
        continue;
      }
      if (fits(candidate)) {
        auto connection = std::move(it->connection);
        idle_.erase(it);
        return connection;
      }
      ++it;
    }
    return nullptr;
  }
  // QUIT, politely and in the background.
  void close(std::unique_ptr<Connection> connection);
  void close_all();
  std::size_t size() const noexcept { return idle_.size(); }

 private:
  struct Idle {
    Idle(std::unique_ptr<Connection> connection_, SteadyTime until_)
        : connection(std::move(connection_)), until(until_) {}
    std::unique_ptr<Connection> connection;
    SteadyTime until;
  };
  event::Task<void> say_goodbye(std::unique_ptr<Connection> connection);
  event::Task<void> sweep();

  event::Loop& loop_;
  Duration idle_limit_;
  std::size_t most_;
  std::list<Idle> idle_;  // oldest first
  bool sweeping_ = false;
  event::TaskScope scope_;
};

}  // namespace sealpost::delivery
