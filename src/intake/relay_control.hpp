// SPDX-License-Identifier: Apache-2.0
//
// RelayControl: who may send on through us and to which forms of address (T-30, RFC 5321 §7.9). Decided at
// RCPT, so that mail is refused and never bounced for a rule of ours (T-35). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sealpost/ip_address.hpp"
#include "smtp/server_reply.hpp"

namespace sealpost::intake {

struct RelayRules {
  RelayRules() = default;
  std::vector<Network> allow;     // who may relay; for submission, who may connect. Loopback is not implied
  std::string hostname;           // postmaster@hostname is the postmaster too
  std::string postmaster;         // where mail to <postmaster> goes; empty: not taken from strangers
  bool address_literals = false;  // accept user@[192.0.2.1]
  std::vector<std::string> report_addresses;  // ours, for TLS reports, in lower case: taken from everybody
};

class RelayControl {
 public:
  explicit RelayControl(RelayRules rules) : rules_(std::move(rules)) {}

  bool allows(const IpAddress& client) const noexcept;

  // Its mail is read here, and relayed to nobody.
  bool is_for_reports(std::string_view address) const;

  // Empty: accepted, and `address` is what the envelope gets: <postmaster> becomes a whole address.
  std::optional<smtp::ServerReply> check_recipient(bool trusted, std::string& address) const;

 private:
  bool is_postmaster(const std::string& address) const;
  RelayRules rules_;
};

}  // namespace sealpost::intake
