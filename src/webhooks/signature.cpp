// SPDX-License-Identifier: Apache-2.0
#include "webhooks/signature.hpp"

#include "auth/scram.hpp"
#include "base/text.hpp"

namespace sealpost::webhooks {

std::string signature_of(const Secrets& secrets, std::string_view id, std::int64_t timestamp,
                         std::string_view body) {
  std::string content(id);
  content += '.';
  content += std::to_string(timestamp);
  content += '.';
  content += body;
  std::string all;
  for (const auth::Secret& key : secrets.keys) {
    if (!all.empty()) all += ' ';
    all += "v1," + text::base64(auth::hmac_sha256(key.view(), content));
  }
  return all;
}

std::vector<http::Header> signed_headers(const Secrets& secrets, const std::string& id, SystemTime now,
                                         std::string_view body) {
  const std::int64_t timestamp = to_unix(now);
  std::vector<http::Header> headers;
  headers.emplace_back("webhook-id", id);
  headers.emplace_back("webhook-timestamp", std::to_string(timestamp));
  headers.emplace_back("webhook-signature", signature_of(secrets, id, timestamp, body));
  return headers;
}

}  // namespace sealpost::webhooks
