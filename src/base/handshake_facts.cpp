// SPDX-License-Identifier: Apache-2.0
#include "sealpost/handshake_facts.hpp"

namespace sealpost {

std::string_view name_of(TlsVersion version) noexcept {
  switch (version) {
    case TlsVersion::none: return "none";
    case TlsVersion::tls1_0: return "TLSv1";
    case TlsVersion::tls1_1: return "TLSv1.1";
    case TlsVersion::tls1_2: return "TLSv1.2";
    case TlsVersion::tls1_3: return "TLSv1.3";
  }
  return "unknown";
}

}  // namespace sealpost
