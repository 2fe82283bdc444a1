// SPDX-License-Identifier: Apache-2.0
//
// What a worker's deliveries work with: settings and the interfaces of the world. Everything here outlives
// them.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/health.hpp"
#include "base/histogram.hpp"
#include "base/shared_clock.hpp"
#include "delivery/connection.hpp"
#include "delivery/hosts.hpp"
#include "delivery/notice_budget.hpp"
#include "delivery/smart_host.hpp"
#include "delivery/traffic.hpp"
#include "delivery/verdict_counts.hpp"
#include "dns/resolver.hpp"
#include "event/stream.hpp"
#include "history/session.hpp"
#include "queue/dispatcher.hpp"
#include "queue/schedule.hpp"
#include "route/mx_lookup.hpp"
#include "route/nx_guard.hpp"
#include "spool/spool.hpp"
#include "sts/service.hpp"
#include "tls/tls_client.hpp"
#include "tlsrpt/counting/recorder.hpp"

namespace sealpost::delivery {

// What becomes of 8-bit mail with a signature, at a host that takes 7 bits (RFC 6152 §3): sent all the same, since most such
// hosts take it; converted, which breaks the signature; returned (5.6.3). Binary mail is never sent to who does not offer
// BINARYMIME (RFC 3030 §3): there `send` converts, too.
enum class SignedEightBit : std::uint8_t { send, convert, bounce };

// Which mail goes by BDAT, where CHUNKING is offered (RFC 3030): what has to, because it is binary; all of it; none, so that
// binary mail is converted.
enum class Chunking : std::uint8_t { needed, offered, never };

// [[host]]: keywords of EHLO that are not believed of a host, "mx.example.net" or "*.example.net".
struct IgnoredKeywords {
  std::string host;
  std::vector<std::string> keywords;
};

struct Settings {
  Settings() = default;
  std::string hostname;
  std::string postmaster;  // whom notifications come from; empty: postmaster at hostname
  smtp::ClientLimits limits;
  RoutingSettings routing;
  TlsVersion minimum = TlsVersion::tls1_2;
  std::string trust_id;  // identifies the trust set, part of session keys
  std::chrono::seconds hold_first_for_policy{10};
  bool mta_sts = true;
  bool dane = true;
  bool dane_satisfies_sts = false;
  std::uint32_t messages_per_connection = 10'000;
  std::uint32_t recipients_per_transaction = 100;
  queue::Schedule schedule{queue::ScheduleSettings()};
  std::chrono::seconds idle_connection{5};  // how long a connection waits for more mail
  SignedEightBit signed_eight_bit = SignedEightBit::send;
  Chunking chunking = Chunking::needed;
  std::vector<IgnoredKeywords> ignored_keywords;
  std::string hold_all;    // not empty: why all mail waits
  std::string node = "0";  // makes attempt ids unique across machines
};

using Partners = std::vector<PartnerRule>;

using ClientIdentities = std::map<std::string, std::shared_ptr<const tls::ServerIdentity>>;  // by rule name

using SmartHosts = std::map<std::string, SmartHostPtr>;  // by the route's name

// Counters for `status` and metrics; written by every worker.
struct Totals {
  std::atomic<std::uint64_t> delivered{0}, deferred{0}, bounced{0}, connections{0}, reused{0}, handshakes{0};
  std::atomic<std::uint64_t> encrypted{0}, clear{0}, refused_by_policy{0}, dsns{0}, rerouted{0};
  std::atomic<std::uint64_t> next_hosts{0};  // times an attempt went on to another host after an answer
  std::atomic<std::uint64_t> sessions_spent{
      0};                                   // sessions that ended having carried what the host takes in one
  std::atomic<std::uint64_t> crowded{0};    // connections refused by a host that had others of ours
  std::atomic<std::uint64_t> converted{0};  // messages made 7-bit, or lines, for a host that takes no more
  std::atomic<std::uint64_t> logins{0}, logins_refused{0};  // at smart hosts
  std::atomic<std::uint64_t> decided_again{0};              // attempts whose policy changed before MAIL
  VerdictCounts verdicts;                // of handshakes, and of hosts that were not contacted
  Histogram age{buckets::age};           // of a recipient's mail when it is delivered
  Histogram attempt{buckets::dialogue};  // of one message at its next hop: plan, connection, transactions
  Histogram handshake{buckets::moment};  // from STARTTLS to the end of a handshake that went well
};

// Reloadable: read once per attempt, kept by those who started with it (T-52).
struct Rules {
  Rules() = default;
  Settings settings;
  Partners partners;
  ClientIdentities client_identities;
  std::vector<TrafficLimit> limits;
  SmartHosts smart_hosts;
  std::shared_ptr<const tls::TrustStore> trust;  // null: the TLS client's own
};
using RulesPtr = std::shared_ptr<const Rules>;

struct Context {
  event::Loop& loop;
  dns::Resolver& resolver;
  sts::StsService& sts;
  tls::Client& tls;
  event::Connector& connector;
  spool::Spool& spool;
  tlsrpt::Recorder& recorder;
  queue::Dispatcher& dispatcher;  // takes the notifications we write
  HostRegistry& hosts;            // shared by all workers
  NxGuard& nx_guard;              // shared by all workers
  Totals& totals;                 // shared by all workers
  RandomSource random;
  history::Recorder* history = nullptr;  // null: sessions are not recorded
  NoticeBudget* notices = nullptr;       // shared by all workers; null: every failure is told at once
  queue::Sites* sites = nullptr;         // shared by all workers; null: each lane is for itself
  SharedClock* clock = nullptr;          // told what certificates say of the time; null: nobody is
  Health* health = nullptr;              // null: nobody is told of smart hosts that do not let us in
};

}  // namespace sealpost::delivery
