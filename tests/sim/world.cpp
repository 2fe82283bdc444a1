// SPDX-License-Identifier: Apache-2.0
#include "world.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "sealpost/mta_sts.hpp"

namespace sealpost::sim {

namespace {

using namespace std::chrono_literals;

const Endpoint relay_address(*IpAddress::parse("192.0.2.1"), 0);
const Endpoint client_address(*IpAddress::parse("192.0.2.50"), 0);
constexpr std::size_t domains_in_all = 24;
constexpr auto dns_timeout = 5s;

std::string key_of(Rng& rng) {
  std::array<std::uint8_t, 32> bytes{};
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(rng.next());
  return text::hex(bytes);
}

}  // namespace

// ---- MTA-STS and DNS --------------------------------------------------------------------------------------------

event::Task<StsState> TableSts::state_for(event::Loop&, std::string policy_domain, Duration) {
  StsState none;
  const auto found = states_.find(policy_domain);
  co_return found == states_.end() ? none : found->second;
}
event::Task<StsState> TableSts::recheck(event::Loop& home, std::string policy_domain) {
  return state_for(home, std::move(policy_domain), {});
}
event::Task<StsState> TableSts::refresh(event::Loop& home, std::string policy_domain) {
  return state_for(home, std::move(policy_domain), {});
}
event::Task<std::vector<sts::StsService::Entry>> TableSts::entries(event::Loop&, std::string) {
  co_return std::vector<Entry>();
}

void TableSts::publish(const std::string& domain, StsMode mode, std::vector<std::string> mx) {
  StsState state;
  state.kind = StsState::Kind::policy;
  state.id = "20260105T" + std::to_string(++version_);
  MtaStsPolicy policy;
  policy.mode = mode;
  policy.max_age = std::chrono::days(30);
  policy.mx = std::move(mx);
  state.policy = std::move(policy);
  state.expires = event::SimLoop::default_start + std::chrono::days(30);
  states_[domain] = std::move(state);
}

event::Task<dns::AnswerPtr> SimResolver::query(std::string name, dns::RrType type) {
  if (lying_ && !(partly_ && type == dns::RrType::txt)) {
    auto denied = std::make_shared<dns::Answer>();
    denied->status = dns::Status::nxdomain;
    denied->rcode = 3;
    denied->canonical = std::move(name);
    co_return denied;
  }
  if (!down_) {
    auto answer = co_await table_.query(std::move(name), type);
    co_return answer;
  }
  co_await event::sleep_for(loop_, dns_timeout);
  auto failed = std::make_shared<dns::Answer>();
  failed->why = "no answer from any resolver";
  co_return failed;
}

// ---- the world --------------------------------------------------------------------------------------------------

World::World(event::SimLoop& loop_, Rng rng_)
    : loop(loop_),
      rng(std::move(rng_)),
      network(loop_, rng.next(), relay_address),
      inside(loop_, rng.next(), client_address),
      table(loop_),
      resolver(loop_, table),
      tls(loop_) {
  event::SimLink link;
  link.latency = rng.time(1ms, 80ms);
  link.slice = rng.chance(0.5) ? SIZE_MAX : rng.between(50, 3000);
  network.set_link(link);
  link.latency = rng.time(0ms, 2ms);
  inside.set_link(link);

  table.put("example", dns::RrType::txt, dns::Status::no_data);
  add_domain(origin, Policy::none, {&add_host("mx.origin.example", true)});
  // Hosting providers: their hosts serve several domains, whose policies differ (T-07).
  std::vector<Host*> shared;
  for (int i = 0; i < 3; ++i)
    shared.push_back(&add_host("mx" + std::to_string(i) + ".provider.example", true));
  while (domains.size() < domains_in_all) {
    const std::string name = "d" + std::to_string(domains.size()) + ".example";
    const auto policy = static_cast<Policy>(domains.size() % 6);
    std::vector<Host*> mx;
    if (rng.chance(0.3)) {
      mx = shared;
    } else {
      for (std::uint64_t i = rng.between(1, 3); i > 0; --i) {
        const bool encrypts = policy != Policy::none || rng.chance(0.7);
        mx.push_back(&add_host("mx" + std::to_string(i) + "." + name, encrypts));
      }
    }
    Domain& domain = add_domain(name, policy, std::move(mx));
    domain.greylists = rng.chance(0.2);
    domain.hopeless = rng.chance(0.06);
    if (rng.chance(0.3)) domain.stranger = &add_host("mx9.stranger-" + name, rng.chance(0.5));
    publish(domain);
  }
  domains.front().hopeless = false;
  add_odd_domains();
}

void World::add_odd_domains() {
  const auto add = [this](const std::string& name, std::vector<Host*> mx) -> Domain& {
    Domain& domain = add_domain(name, Policy::none, std::move(mx));
    domain.patient = true;
    return domain;
  };
  Host& busy = add_host("mx1.busy.example", true);
  busy.busy = true;
  add("busy.example", {&busy, &add_host("mx2.busy.example", true)});
  Host& limited = add_host("mx.limited.example", true);
  limited.session_limit = 1;
  add("limited.example", {&limited});
  Host& narrow = add_host("mx.narrow.example", true);
  narrow.most_open = 2;
  add("narrow.example", {&narrow});
  add("narrow-too.example", {&narrow});
  Host& demanding = add_host("mx.demanding.example", true);
  demanding.demands_tls = true;
  add("demanding.example", {&demanding});
  Host& turning_host = add_host("mx.turning.example", true);
  turning_host.certificate.trusted = turning_host.shown.trusted = false;
  add(turning, {&turning_host});
}

void World::turn(bool enforced) {
  Domain& domain = *domain_of(std::string("@") + turning);
  domain.policy = enforced ? Policy::sts_enforce : Policy::none;
  domain.turned = loop.now();
  sts.publish(domain.name, enforced ? StsMode::enforce : StsMode::none,
              enforced ? std::vector<std::string>{domain.hosts.front()->name} : std::vector<std::string>());
}

Host& World::add_host(std::string name, bool encrypts) {
  auto host = std::make_unique<Host>();
  const auto number = static_cast<std::uint8_t>(hosts.size() + 1);
  host->name = std::move(name);
  host->at = Endpoint(IpAddress::v4({198, 51, 100, number}), 25);
  host->encrypts_at_all = host->starttls = encrypts;
  host->certificate.name = host->name;
  host->certificate.key = key_of(rng);
  host->certificate.trusted = !rng.chance(0.08);  // some never get a proper certificate
  host->shown = host->certificate;
  hosts.push_back(std::move(host));
  return *hosts.back();
}

Domain& World::add_domain(std::string name, Policy policy, std::vector<Host*> mx) {
  Domain& domain = domains.emplace_back();
  domain.name = std::move(name);
  domain.policy = policy;
  domain.hosts = std::move(mx);
  publish(domain);
  return domain;
}

void World::publish(const Domain& domain) {
  std::vector<std::pair<unsigned, std::string>> records;
  std::vector<Host*> all = domain.hosts;
  if (domain.stranger) all.push_back(domain.stranger);
  for (std::size_t i = 0; i < all.size(); ++i) records.emplace_back(10 * (i + 1), all[i]->name);
  const auto signed_by = domain.policy == Policy::dane ? dns::Dnssec::secure : dns::Dnssec::insecure;
  table.mx(domain.name, std::move(records)).dnssec = signed_by;
  table.put(domain.name, dns::RrType::txt, dns::Status::no_data);
  for (const Host* host : all) {
    table.address(host->name, {host->at.address.to_string()});
    if (domain.policy != Policy::dane || host == domain.stranger) continue;
    const auto digest = *text::from_hex(host->certificate.key);
    table.put("_25._tcp." + host->name, dns::RrType::tlsa).tlsa = {TlsaRecord(3, 1, 1, digest)};
  }
  std::vector<std::string> allowed;
  for (const Host* host : domain.hosts) allowed.push_back(host->name);
  if (domain.policy == Policy::sts_enforce) sts.publish(domain.name, StsMode::enforce, allowed);
  if (domain.policy == Policy::sts_testing) sts.publish(domain.name, StsMode::testing, allowed);
}

Domain* World::domain_of(const std::string& address) noexcept {
  const std::string name = address.substr(address.rfind('@') + 1);
  const auto found =
      std::find_if(domains.begin(), domains.end(), [&](const Domain& domain) { return domain.name == name; });
  return found == domains.end() ? nullptr : &*found;
}

std::string World::forbidden(const Domain& domain, const Host& host, bool encrypted) {
  const bool allowed_host = std::find(domain.hosts.begin(), domain.hosts.end(), &host) != domain.hosts.end();
  const Certificate& shown = host.shown;
  const bool verified = shown.trusted && !shown.expired && shown.name == host.name;
  switch (domain.policy) {
    case Policy::none:
    case Policy::sts_testing: return {};
    case Policy::partner_encrypt: return encrypted ? "" : "clear text";
    case Policy::sts_enforce:
    case Policy::partner_verify:
      if (!encrypted) return "clear text";
      if (!allowed_host) return "a host the policy does not name";
      return verified ? "" : "a certificate that does not verify";
    case Policy::dane:
      // The stranger's zone has no TLSA records, which is a proven absence: nothing is asked of it.
      if (!allowed_host) return {};
      if (!encrypted) return "clear text";
      return shown.key == host.certificate.key ? "" : "a key that matches no TLSA record";
  }
  return {};
}

std::vector<PartnerRule> World::partner_rules() const {
  std::vector<PartnerRule> rules;
  for (const Domain& domain : domains) {
    if (domain.policy != Policy::partner_encrypt && domain.policy != Policy::partner_verify) continue;
    PartnerRule rule;
    rule.name = "rule for " + domain.name;
    rule.domains = {domain.name};
    rule.level = domain.policy == Policy::partner_encrypt ? PartnerLevel::encrypt : PartnerLevel::verify;
    if (rule.level == PartnerLevel::verify) {
      for (const Host* host : domain.hosts) rule.mx.push_back(host->name);
      rule.names = PartnerRule::Names::mx;
    }
    rule.hash = rule.name;
    // In force all the time; a clock that is believed too easily takes it away, or brings the exception back (T-50).
    rule.starts = event::SimLoop::default_start - 24h;
    rule.ends = event::SimLoop::default_start + 90 * 24h;
    PartnerException& over = rule.exceptions.emplace_back();
    over.until = *rule.starts;
    over.level = PartnerLevel::opportunistic;
    rules.push_back(std::move(rule));
  }
  return rules;
}

void World::heal() {
  temper = Temper();
  resolver.set_down(false);
  resolver.set_lying(false);
  turn(false);
  for (const auto& host : hosts) {
    host->shown = host->certificate;
    host->starttls = host->encrypts_at_all;
    host->handshakes = true;
    network.set_host(host->at.address, event::SimNetwork::Host::up);
  }
}

}  // namespace sealpost::sim
