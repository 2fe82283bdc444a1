// SPDX-License-Identifier: Apache-2.0
//
// The simulated internet: domains with their policies, hosts with their certificates and defects, DNS, MTA-STS and a
// network. What each domain demands is written down here once more, independently of decide() and judge(), for the
// invariant that nothing goes where it must not.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "../unit/dns/table_resolver.hpp"
#include "event/sim_loop.hpp"
#include "event/sim_network.hpp"
#include "rng.hpp"
#include "scripted_tls.hpp"
#include "sealpost/partner.hpp"
#include "sts/service.hpp"

namespace sealpost::sim {

enum class Policy : std::uint8_t { none, sts_testing, sts_enforce, dane, partner_encrypt, partner_verify };

struct Host {
  std::string name;
  Endpoint at;
  Certificate certificate;  // as it should be; `shown` is what is shown at present
  Certificate shown;
  bool starttls = true;
  bool handshakes = true;
  bool encrypts_at_all = true;  // false: never offers STARTTLS, nor should it
  bool busy = false;            // 4yz at EHLO, MAIL, RCPT or DATA, always
  bool demands_tls = false;     // 530 to MAIL in clear
  unsigned session_limit = 0;   // messages it takes in one session; 0: any number
  unsigned most_open = 0;       // sessions at once; 0: any number
};

struct Domain {
  std::string name;
  Policy policy = Policy::none;
  std::vector<Host*> hosts;  // in order of preference; those a policy allows
  Host* stranger = nullptr;  // an MX of this domain that its policy does not allow
  bool greylists = false;
  bool hopeless = false;  // never accepts anything
  // One of its hosts takes mail sooner or later, whatever else they say: nothing for it comes back but what was refused.
  bool patient = false;
  std::optional<SteadyTime> turned;  // when its policy last changed
};

// How peers behave at present; healed at the end of the day.
struct Temper {
  double hang_up = 0, reset = 0, go_silent = 0;  // at each command
  double lose_reply = 0;                         // after a message has been taken
  double close_at_dot = 0;                       // before a message has been taken, without a word
  double defer = 0;                              // 4yz to RCPT or the final dot
  double turn_away = 0;                          // 421 as greeting
  double slow = 0;                               // minutes before a reply
};

class TableSts final : public sts::StsService {
 public:
  event::Task<StsState> state_for(event::Loop& home, std::string policy_domain, Duration hold) override;
  event::Task<StsState> recheck(event::Loop& home, std::string policy_domain) override;
  event::Task<std::vector<Entry>> entries(event::Loop& home, std::string filter) override;
  event::Task<StsState> refresh(event::Loop& home, std::string policy_domain) override;
  void publish(const std::string& domain, StsMode mode, std::vector<std::string> mx);
  std::uint64_t version() const noexcept override { return version_; }

 private:
  std::map<std::string, StsState> states_;
  std::uint64_t version_ = 0;
};

// A table that can be out of reach.
class SimResolver final : public dns::Resolver {
 public:
  SimResolver(event::Loop& loop, dns::Resolver& table) noexcept : loop_(loop), table_(table) {}
  event::Task<dns::AnswerPtr> query(std::string name, dns::RrType type) override;
  void set_down(bool down) noexcept { down_ = down; }
  // Denies every name there is (T-41); when `partly`, all but what a canary asks for.
  void set_lying(bool lying, bool partly = false) noexcept {
    lying_ = lying;
    partly_ = partly;
  }

 private:
  event::Loop& loop_;
  dns::Resolver& table_;
  bool down_ = false, lying_ = false, partly_ = false;
};

class World {
 public:
  World(event::SimLoop& loop, Rng rng);

  Domain* domain_of(const std::string& address) noexcept;
  // Must this host not have mail for the domain on such a session? Then why, otherwise empty.
  static std::string forbidden(const Domain& domain, const Host& host, bool encrypted);
  std::vector<PartnerRule> partner_rules() const;
  void heal();  // everything but what is hopeless
  // The policy of `turning` becomes one that its host does not satisfy, or none again (T-15).
  void turn(bool enforced);

  static constexpr const char* origin = "origin.example";  // where the senders are
  static constexpr const char* turning = "turning.example";
  static constexpr std::string_view enough = "4.7.0 enough for this session";
  static constexpr std::string_view crowd = "4.7.0 too many connections from you";
  static constexpr const char* poison =
      "poison@origin.example";  // whose mail kills the relay at each attempt

  event::SimLoop& loop;
  Rng rng;
  event::SimNetwork network;  // between the relay and the MX hosts
  event::SimNetwork inside;   // between clients and the relay
  dns::test::TableResolver table;
  SimResolver resolver;
  TableSts sts;
  ScriptedTls tls;
  Temper temper;
  std::optional<SystemTime> clock_record;  // the newest time that the relay believed and has on disk (T-50)
  std::optional<SteadyTime> journal_stopped;  // since when the relay cannot record outcomes (D-07)
  std::function<bool()> recording = [] { return true; };  // can it now?
  std::function<void()> on_poison;  // a host is asked to take what kills the relay (D-12)
  std::vector<std::unique_ptr<Host>> hosts;
  std::vector<Domain> domains;

 private:
  Host& add_host(std::string name, bool encrypts);
  Domain& add_domain(std::string name, Policy policy, std::vector<Host*> hosts);
  void publish(const Domain& domain);
  void add_odd_domains();
};

}  // namespace sealpost::sim
