// SPDX-License-Identifier: Apache-2.0
//
// From the configuration to what intake works with.
#pragma once

#include <cstdint>
#include <memory>

#include "auth/accounts.hpp"
#include "config/config.hpp"
#include "intake/settings.hpp"

namespace sealpost::app {

// `dkim` set: mail that is relayed is signed with these keys. `authenticator` outlives the sessions; for submission only.
intake::SettingsPtr intake_settings(const Config& config, const ListenerConfig& listener,
                                    std::shared_ptr<tls::Server> tls, std::shared_ptr<const DkimKeyring> dkim,
                                    auth::Authenticator* authenticator);

// For submission: who vouches for accounts. What is asked runs on loops that are EventLoops.
auth::AccountsSettings accounts_settings(const AuthConfig& config);
auth::OutsideRulesPtr outside_rules(const AuthConfig& config);  // what a reload replaces of it

// At most half of the process's descriptors go to inbound sessions: the rest is for deliveries, DNS, the spool and
// the databases, so that a flood from outside cannot stop what is under way (T-27).
intake::ConnectionCaps connection_caps(const LimitsConfig& limits, std::uint64_t descriptors);  // for them

}  // namespace sealpost::app
