// SPDX-License-Identifier: Apache-2.0
//
// How a request says who it is from: the scheme of Standard Webhooks (standardwebhooks.com, specification 1.0), HMAC-SHA-256 over
// "id.timestamp.body", a signature for each secret that holds. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/client.hpp"
#include "webhooks/settings.hpp"

namespace sealpost::webhooks {

// "v1,BASE64 v1,BASE64"
std::string signature_of(const Secrets& secrets, std::string_view id, std::int64_t timestamp,
                         std::string_view body);
// webhook-id, webhook-timestamp, webhook-signature.
std::vector<http::Header> signed_headers(const Secrets& secrets, const std::string& id, SystemTime now,
                                         std::string_view body);

}  // namespace sealpost::webhooks
