// SPDX-License-Identifier: Apache-2.0
//
// What one listener's sessions are told, and what all of intake works with. Settings are replaced whole at a
// reload; a session keeps those it began with (T-52).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/histogram.hpp"
#include "intake/body_budget.hpp"
#include "intake/client_map.hpp"
#include "intake/connection_limits.hpp"
#include "intake/relay_control.hpp"
#include "intake/report_desk.hpp"
#include "intake/sink.hpp"
#include "mail/dkim_keyring.hpp"
#include "smtp/server_session.hpp"
#include "spool/spool.hpp"

namespace sealpost::intake {

struct Settings {
  explicit Settings(RelayRules rules) : relay(std::move(rules)) {}
  // Nobody relays for his network's sake: who has no account may not send, and `allow` says who may connect.
  bool submission() const noexcept { return server->service != smtp::Service::relay; }
  // Whose session it is, by the address; not `named`: a proxy speaks for somebody and does not know for whom, who may not
  // relay then. Nothing: turned away.
  std::optional<Standing> standing_of(const IpAddress& client, bool named) const;
  std::shared_ptr<const smtp::ServerOptions> server;
  RelayControl relay;
  unsigned most_hops = 50;  // Received fields before a message counts as looping (T-38)
  bool honour_tls_required =
      false;                 // the header field TLS-Required: No (RFC 8689 §3), of clients that may relay
  bool hide_client = false;  // leave the client out of our Received field (T-49)
  std::vector<Network> proxies;              // who comes from there speaks the PROXY protocol first
  std::vector<Network> xclients;             // who comes from there may say XCLIENT
  std::shared_ptr<const ClientMap> clients;  // whom certificates stand for; null: nobody
  std::shared_ptr<const DkimKeyring> dkim;   // set: relayed mail is signed
};
using SettingsPtr = std::shared_ptr<const Settings>;

// Since start, over all workers; for metrics and status.
struct Counters {
  std::atomic<std::uint64_t> connections{0}, turned_away{0};
  std::atomic<std::uint64_t> encrypted{0},
      handshakes_failed{0};                           // connections that began TLS, or did not manage to
  std::atomic<std::uint64_t> turned_away_trusted{0};  // of these
  std::atomic<std::uint64_t> shed{0};                 // strangers ended for a client that may relay
  std::atomic<std::uint64_t> stresses{0};             // how often a worker found places scarce
  std::atomic<std::uint64_t> timed_out{0};  // sessions ended for saying or taking too little in time
  std::atomic<std::uint64_t> messages{0}, recipients{0}, octets{0};
  std::atomic<std::uint64_t> refused{0};  // commands and messages answered 4yz or 5yz
  std::atomic<std::uint64_t> storage_errors{0};
  std::atomic<std::uint64_t> authenticated{0}, auth_failed{0};  // AUTH
  std::atomic<std::uint64_t> reports{0};                        // messages with TLS reports of others
  Histogram acknowledgement{buckets::moment};                   // from the end of a message to its 250
  Histogram handshake{buckets::moment};
};

// Shared by all workers; outlives them.
struct Services {
  Services(spool::Spool& spool_, Sink& sink_, ConnectionLimits& connections_, BodyBudget& bodies_,
           Counters& counters_)
      : spool(spool_), sink(sink_), connections(connections_), bodies(bodies_), counters(counters_) {}
  spool::Spool& spool;
  Sink& sink;
  ConnectionLimits& connections;
  BodyBudget& bodies;
  Counters& counters;
  ReportDesk* reports = nullptr;  // null: there are no report addresses
};

}  // namespace sealpost::intake
