// SPDX-License-Identifier: Apache-2.0
//
// The record of a DKIM key (RFC 6376 §3.6): what it should say, and what keeps receivers from verifying with what is there.
#pragma once

#include <string>

#include "dns/resolver.hpp"
#include "mail/dkim.hpp"
#include "publishing/item.hpp"

namespace sealpost::publishing {

// What the key signs.
struct KeyUse {
  KeyUse() = default;
  KeyUse(bool mail_, bool reports_) : mail(mail_), reports(reports_) {}
  bool mail = true, reports = false;
};

std::string key_record_name(const DkimSigner& signer);  // "r2026._domainkey.example.net"
std::string key_record_of(const DkimKey& key);          // "v=DKIM1; k=rsa; p=..."

// `answer`: the TXT records under that name.
Item judge_key_record(const dns::Answer& answer, const DkimSigner& signer, KeyUse use);

}  // namespace sealpost::publishing
