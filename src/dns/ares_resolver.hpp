// SPDX-License-Identifier: Apache-2.0
//
// The Resolver that asks servers: channels of its own for each, the next one when a server does not answer or cannot.
// It remembers nothing but which server is silent: caching_resolver stands in front. Lives on the resolver
// loop.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/histogram.hpp"
#include "dns/dnssec_watch.hpp"
#include "dns/query_ports.hpp"
#include "dns/resolver.hpp"
#include "dns/servers.hpp"
#include "dns/turns.hpp"

namespace sealpost::dns {

struct ResolverSettings {
  ResolverSettings() = default;
  std::vector<Endpoint> servers;  // in the order of preference, at least one
  TrustAd trust_ad = TrustAd::loopback;
  Duration try_limit = std::chrono::seconds(4);    // for one server to answer, once
  Duration limit = std::chrono::seconds(12);       // for one question, all servers and aliases together
  Duration silent_for = std::chrono::seconds(30);  // a server that did not answer is asked last for this long
  Turns::Limits turns;                             // questions at the servers; more wait their turn
  // What is done towards servers beyond loopback is done towards all: many ports, letters in random case.
  bool spread_always = false;
};

class AresResolver final : public Resolver, public ProbedServers {
 public:
  // Throws std::runtime_error when there is no server or c-ares cannot set itself up.
  AresResolver(event::EventLoop& loop, const ResolverSettings& settings);
  ~AresResolver() override;

  event::Task<AnswerPtr> query(std::string name, RrType type) override;
  // Whether a set AD bit counts; when not, every answer is insecure and DANE is off.
  bool ad_trusted() const noexcept { return ad_trusted_; }

  // Read by other threads.
  struct Counters {
    std::atomic<std::uint64_t> asked{0};          // questions put to servers
    std::atomic<std::uint64_t> case_differed{0};  // answers not to the letters asked, asked again over TCP
    std::atomic<std::uint64_t> suspect{0};        // of these: the server itself keeps the letters
    std::atomic<std::uint64_t> waited{0}, refused{0};  // for their turn; too many before them
    std::atomic<std::uint64_t> failed{0};              // questions that no server answered
    Histogram answer{
        buckets::moment};  // of one question, all servers and aliases together, its turn included
  };
  const Counters& counters() const noexcept { return counters_; }

  std::size_t servers() const noexcept override { return servers_.size(); }
  std::string server_name(std::size_t server) const override;
  event::Task<ProbeReply> probe(std::size_t server, std::string name, RrType type) override;
  void set_fit(std::size_t server, bool fit) noexcept override;

 private:
  struct Server;
  event::Task<Expected<ParsedAnswer>> find(Question question);
  event::Task<Expected<ParsedAnswer>> ask_servers(Question question, SteadyTime end);
  event::Task<Expected<ParsedAnswer>> ask(Server& server, const Question& question);
  event::Task<Expected<Octets>> exchange(Server& server, const Question& question);
  event::Task<Expected<Octets>> ask_again(Server& server, Octets query, Octets doubtful);
  std::vector<Server*> in_order() const;

  event::EventLoop& loop_;
  ResolverSettings settings_;
  bool ad_trusted_;
  Turns turns_;
  Counters counters_;
  std::vector<std::unique_ptr<Server>> servers_;
};

}  // namespace sealpost::dns
