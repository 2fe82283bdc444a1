// SPDX-License-Identifier: Apache-2.0
//
// A key to sign with that is no secret: the Ed25519 key of the example in RFC 8463 appendix A.
#pragma once

#include <string>
#include <utility>

#include "mail/dkim.hpp"

namespace sealpost {

inline DkimSigner example_signer(std::string domain, std::string selector = "s1") {
  DkimSigner made;
  made.domain = std::move(domain);
  made.selector = std::move(selector);
  made.key = DkimKey::from_pem(
                 "-----BEGIN PRIVATE KEY-----\n"
                 "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                 "-----END PRIVATE KEY-----\n")
                 .value();
  return made;
}

}  // namespace sealpost
