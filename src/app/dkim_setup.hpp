// SPDX-License-Identifier: Apache-2.0
//
// From [dkim] to keys that sign, and whether the world can verify what they sign.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "dns/resolver.hpp"
#include "keys/source.hpp"
#include "mail/dkim_keyring.hpp"

namespace sealpost::app {

struct DkimSetup {
  std::vector<DkimSigner> all;                 // as configured, in order
  std::vector<DkimSigner> reports;             // those of [dkim] domain
  std::shared_ptr<const DkimKeyring> relayed;  // null: relayed mail is not signed
};

// Errc::invalid or io names the file and what would be right.
Expected<DkimSetup> load_dkim(const Config& config, const keys::Source& keys);

// May this domain sign our reports? d= must be the submitter's domain or one above it (RFC 8460 §3, R20). Empty: yes, or
// there is nothing to sign or to send. Otherwise what is wrong, for people.
std::string report_signer_problem(const Config& config);

// Compares each key with its published record and logs what a receiver would stumble over. Nothing waits for it. The
// first problem of a key that signs reports, for `report why`; empty when there is none.
event::Task<std::string> check_published_keys(dns::Resolver& resolver, DkimSetup setup);

}  // namespace sealpost::app
