// SPDX-License-Identifier: Apache-2.0
//
// What an own domain should publish for its mail, and what DNS says of it: hosts that take its mail (MX), MTA-STS record and
// policy (RFC 8461 §3), TLS-RPT (RFC 8460 §3), DKIM keys (RFC 6376 §3.6), SPF (RFC 7208), TLSA (RFC 7672 §3) and DNSSEC. This is
// the front of the room; in order:
//
//   1. survey_domain()    asks for everything at once, within the resolver's own limits
//   2. key_record.hpp, spf.hpp, sts_item.hpp, tlsa_item.hpp   judge one kind each
//   3. item.hpp           what each came to
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dns/resolver.hpp"
#include "event/task.hpp"
#include "event/wait.hpp"
#include "mail/dkim.hpp"
#include "publishing/item.hpp"
#include "publishing/key_record.hpp"
#include "sealpost/clock.hpp"
#include "sts/policy_fetcher.hpp"

namespace sealpost::publishing {

// What is known of it here, before anybody is asked.
struct OwnDomain {
  OwnDomain() = default;
  std::string domain;               // lower-case A-labels
  std::vector<DkimSigner> signers;  // the keys of this domain
  KeyUse keys_sign;
  std::string hostname;               // ours
  std::vector<IpAddress> senders;     // addresses that our mail leaves from; empty: those of hostname, by DNS
  std::vector<IpAddress> listens_on;  // our own, on port 25: an MX host that has one is this relay
  // SHA-256 of the public keys that our listeners show who asks for `host`, lower-case hex. Empty: there is no certificate.
  std::function<std::vector<std::string>(const std::string& host)> listener_keys;
  std::string reports_to;   // addr-spec for others' TLS reports; empty: by HTTPS alone
  std::string reports_url;  // where they can be brought over HTTPS; empty: nowhere
  SystemTime now{};
};

// Never empty. Items in the order in which they are best put right. `resolver` and `fetcher` live on `loop` and outlive the task.
event::Task<std::vector<Item>> survey_domain(event::Loop& loop, dns::Resolver& resolver,
                                             sts::PolicyFetcher& fetcher, OwnDomain own);

}  // namespace sealpost::publishing
