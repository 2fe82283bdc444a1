// SPDX-License-Identifier: Apache-2.0
//
// An acceptor on a simulated loop, with clients that are scripts, a spool in memory and a sink that takes notes.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "../smtp/script_stream.hpp"
#include "event/sim_loop.hpp"
#include "fake_spool.hpp"
#include "intake/acceptor.hpp"

namespace sealpost::test {

class NotingSink final : public intake::Sink {
 public:
  void accepted(spool::StoredMessagePtr message) override { messages.push_back(std::move(message)); }
  std::vector<spool::StoredMessagePtr> messages;
};

struct IntakeFixture {
  IntakeFixture() { rules.hostname = "relay.example.net"; }

  event::SimLoop loop;
  FakeSpool spool;
  NotingSink sink;
  intake::ConnectionCaps caps;
  std::uint64_t body_memory = 64U << 20;
  intake::RelayRules rules = [] {
    intake::RelayRules made;
    made.allow = {*Network::parse("192.0.2.0/24"), *Network::parse("2001:db8::/32")};
    return made;
  }();
  std::shared_ptr<smtp::ServerOptions> options = [] {
    auto made = std::make_shared<smtp::ServerOptions>();
    made->hostname = "relay.example.net";
    return made;
  }();
  unsigned most_hops = 50;
  bool hide_client = false;
  std::vector<Network> proxies, xclients;
  std::shared_ptr<const intake::ClientMap> clients;
  std::shared_ptr<const DkimKeyring> dkim;
  bool honour_tls_required = false;
  intake::ReportDesk* reports = nullptr;

  // After the fields above have been set.
  intake::Acceptor& acceptor() {
    if (!acceptor_) {
      limits_ = std::make_unique<intake::ConnectionLimits>(caps);
      budget_ = std::make_unique<intake::BodyBudget>(body_memory);
      intake::Services services(spool, sink, *limits_, *budget_, counters);
      services.reports = reports;
      auto settings = std::make_shared<intake::Settings>(rules);
      options->strangers = smtp::for_strangers(options->limits);
      options->stressed = smtp::under_stress(options->limits);
      settings->server = options;
      settings->most_hops = most_hops;
      settings->hide_client = hide_client;
      settings->proxies = proxies;
      settings->xclients = xclients;
      settings->clients = clients;
      settings->dkim = dkim;
      settings->honour_tls_required = honour_tls_required;
      acceptor_ = std::make_unique<intake::Acceptor>(loop, services, settings);
    }
    return *acceptor_;
  }
  intake::ConnectionLimits& limits() { return *limits_; }
  intake::BodyBudget& budget() { return *budget_; }

  // A client connects and waits; its script lives as long as the fixture.
  Script& connect(std::string_view address = "192.0.2.7") {
    Script& script = scripts_.emplace_back();
    script.end = false;
    script.peer = Endpoint(*IpAddress::parse(address), 40000);
    acceptor().serve(std::make_unique<ScriptStream>(loop, script));
    loop.settle();
    return script;
  }
  std::string say(Script& script, std::string_view input) {
    script.take();
    script.say(input);
    loop.settle();
    return script.take();
  }

  intake::Counters counters;

 private:
  std::deque<Script> scripts_;
  std::unique_ptr<intake::ConnectionLimits> limits_;
  std::unique_ptr<intake::BodyBudget> budget_;
  std::unique_ptr<intake::Acceptor> acceptor_;
};

inline const std::string hello = "EHLO client.example.net\r\n";
inline const std::string envelope = "MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n";

}  // namespace sealpost::test
