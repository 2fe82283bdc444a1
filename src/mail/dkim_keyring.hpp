// SPDX-License-Identifier: Apache-2.0
//
// DkimKeyring: which keys sign the mail of which author. Immutable; replaced whole at a reload.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mail/dkim.hpp"

namespace sealpost {

class DkimKeyring {
 public:
  explicit DkimKeyring(std::vector<DkimSigner> signers) {
    for (DkimSigner& signer : signers) by_domain_[signer.domain].push_back(std::move(signer));
  }

  // The keys of the author's domain, or else of the nearest domain above it: then d= is aligned in the relaxed sense of
  // DMARC (RFC 7489 §3.1.1). Empty: none.
  std::span<const DkimSigner> for_author(std::string_view domain) const {
    for (;;) {
      const auto found = by_domain_.find(domain);
      if (found != by_domain_.end()) return found->second;
      const auto dot = domain.find('.');
      if (dot == std::string_view::npos) return {};
      domain.remove_prefix(dot + 1);
    }
  }

 private:
  std::map<std::string, std::vector<DkimSigner>, std::less<>> by_domain_;  // A-labels, as configured
};

}  // namespace sealpost
