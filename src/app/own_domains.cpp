// SPDX-License-Identifier: Apache-2.0
#include "app/own_domains.hpp"

#include <algorithm>

#include "config/own_addresses.hpp"
#include "mail/address.hpp"

namespace sealpost::app {
namespace {

constexpr std::size_t most_domains = 10;
constexpr auto fetch_limit = std::chrono::seconds(20);  // somebody waits for it

sts::FetchSettings hasty_fetch_settings(const Config& config) {
  sts::FetchSettings settings;
  settings.allow_destinations = config.delivery.routing.allow_destinations;
  settings.limit = std::min<Duration>(config.policy_fetch_limit, fetch_limit);
  return settings;
}

// What a receiver may see of this machine.
std::vector<IpAddress> public_addresses(const delivery::RoutingSettings& routing) {
  std::vector<IpAddress> addresses;
  for (const IpAddress& address : interface_addresses())
    if (!address.is_special() && (address.is_v4() ? routing.ipv4 : routing.ipv6))
      addresses.push_back(address);
  return addresses;
}

}  // namespace

std::vector<std::string> own_domains(const Config& config) {
  std::vector<std::string> domains;
  const auto add = [&domains](const std::string& domain) {
    const bool known = std::find(domains.begin(), domains.end(), domain) != domains.end();
    if (!domain.empty() && !known && domains.size() < most_domains) domains.push_back(domain);
  };
  if (config.dkim) {
    add(config.dkim->domain);
    for (const DkimKeyConfig& key : config.dkim->also) add(key.domain);
  }
  add(domain_of(config.tls_rpt.contact));
  return domains;
}

OwnDomains::OwnDomains(event::EventLoop& loop, std::function<InForcePtr()> in_force,
                       dns::CachingResolver& resolver, http::CurlClient::Trust trust)
    : loop_(loop),
      in_force_(std::move(in_force)),
      resolver_(loop, resolver),
      http_(loop, std::move(trust)),
      fetcher_(loop, resolver_, http_, hasty_fetch_settings(in_force_()->config)) {}

publishing::OwnDomain OwnDomains::known_of(const std::string& domain, std::vector<IpAddress> senders) const {
  const InForcePtr now = in_force_();
  const Config& config = now->config;
  publishing::OwnDomain own;
  own.domain = domain;
  for (const DkimSigner& signer : now->dkim.all)
    if (signer.domain == domain) own.signers.push_back(signer);
  const bool reports = config.dkim && config.dkim->domain == domain;
  own.keys_sign = publishing::KeyUse(config.dkim && config.dkim->sign_relayed, reports);
  own.hostname = config.hostname;
  own.senders = senders.empty() ? public_addresses(config.delivery.routing) : std::move(senders);
  own.listens_on = config.delivery.routing.own_addresses;
  if (now->certificates)
    own.listener_keys = [now](const std::string& host) { return now->certificates->keys_for(host); };
  if (config.tls_rpt.receive_http)
    own.reports_url = config.tls_rpt.receive_url;
  else
    own.reports_to = "tls-reports@" + domain;
  const auto& read = config.tls_rpt.receive;  // better one whose mail is read
  const auto own_address = std::find_if(
      read.begin(), read.end(), [&](const std::string& address) { return domain_of(address) == domain; });
  if (!read.empty()) own.reports_to = own_address != read.end() ? *own_address : read.front();
  own.now = loop_.date();
  return own;
}

admin::DomainAccess OwnDomains::access() {
  admin::DomainAccess access;
  access.loop = &loop_;
  access.own = [this] { return own_domains(in_force_()->config); };
  access.survey = [this](const std::string& domain, std::vector<IpAddress> senders) {
    return publishing::survey_domain(loop_, resolver_, fetcher_, known_of(domain, std::move(senders)));
  };
  return access;
}

}  // namespace sealpost::app
