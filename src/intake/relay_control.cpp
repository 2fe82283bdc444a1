// SPDX-License-Identifier: Apache-2.0
#include "intake/relay_control.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "mail/address.hpp"

namespace sealpost::intake {
namespace {

constexpr smtp::ServerReply relaying_denied{554, "5.7.1", "relaying denied"};
constexpr smtp::ServerReply routed_address{553, "5.1.3", "routed address (quoted @) not accepted"};
constexpr smtp::ServerReply literal_address{553, "5.1.3", "address literal not accepted"};

}  // namespace

bool RelayControl::allows(const IpAddress& client) const noexcept {
  return std::any_of(rules_.allow.begin(), rules_.allow.end(),
                     [&](const Network& network) { return network.contains(client); });
}

// RFC 5321 §4.5.1: postmaster, without domain or at our own name, in any case.
bool RelayControl::is_postmaster(const std::string& address) const {
  if (!text::iequals(local_part_of(address), "postmaster")) return text::iequals(address, "postmaster");
  const std::string domain = domain_of(address);
  return domain.empty() || text::iequals(domain, rules_.hostname);
}

bool RelayControl::is_for_reports(std::string_view address) const {
  return std::any_of(rules_.report_addresses.begin(), rules_.report_addresses.end(),
                     [&](const std::string& ours) { return text::iequals(ours, address); });
}

std::optional<smtp::ServerReply> RelayControl::check_recipient(bool trusted, std::string& address) const {
  if (is_for_reports(address)) return std::nullopt;
  if (is_postmaster(address)) {
    if (!rules_.postmaster.empty()) {
      address = rules_.postmaster;
      return std::nullopt;
    }
    if (!trusted) return relaying_denied;
    address = "postmaster@" + rules_.hostname;
    return std::nullopt;
  }
  if (!trusted) return relaying_denied;
  // A relay behind us that takes the quotes off would read another recipient than we did. '%' and '!' are letters of a
  // name like others, to be understood by the domain behind the '@', and by nobody before it.
  if (has_quoted_at(address)) return routed_address;
  if (!rules_.address_literals && address.ends_with(']')) return literal_address;
  return std::nullopt;
}

}  // namespace sealpost::intake
