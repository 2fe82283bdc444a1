// SPDX-License-Identifier: Apache-2.0
//
// The certificates of [tls], of which listeners and HTTPS show one by the name that a client asks for, and the authorities of
// clients' certificates: read whole and checked before anything uses them (T-51, T-52).
#pragma once

#include <memory>

#include "config/config.hpp"
#include "keys/source.hpp"
#include "tls/client_certificate.hpp"
#include "tls/server_certificates.hpp"

namespace sealpost::app {

// In the order of config.certificates; null when there are none. An error names the file and what would be right.
Expected<std::shared_ptr<const tls::ServerCertificates>> load_listener_certificates(const Config& config,
                                                                                    const keys::Source& keys);

// Null: this listener asks for no certificate. An error names key and file.
Expected<std::shared_ptr<const tls::ClientAuthorities>> load_client_authorities(
    const ListenerConfig& listener);

// Those that cannot be used, those that end soon or have ended, and what else clients could have against them.
Findings check_listener_certificates(const Config& config, SystemTime now, const keys::Source& keys);

}  // namespace sealpost::app
