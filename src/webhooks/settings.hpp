// SPDX-License-Identifier: Apache-2.0
//
// A webhook as the operator wants it (docs/webhooks.md): where events go, which ones, what stands in them for addresses.
// Pure.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/secret.hpp"
#include "sealpost/clock.hpp"
#include "sealpost/expected.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost::webhooks {

// What an event may be about, in the words of the ledger (docs/ledger.md). `gap` goes to everybody.
inline constexpr std::array<std::string_view, 11> known_kinds{"accepted", "delivered", "deferred", "failed",
                                                              "held",     "removed",   "hold",     "release",
                                                              "rerouted", "withdrawn", "gap"};
bool is_known_kind(std::string_view kind) noexcept;

enum class Addresses : std::uint8_t { plain, domain, hash };

struct Url {
  bool tls = true;
  std::string host;  // A-labels, or an address as URLs have it: "127.0.0.1", "[::1]"
  std::uint16_t port = 443;
  std::string path = "/";  // with its query
  std::optional<IpAddress> address;
  bool operator==(const Url&) const = default;
};
// https with a name, or http with an address: in clear there is no name to be misled by. Its detail says what is wrong.
Expected<Url> parse_url(std::string_view text);
std::string to_text(const Url& url);

// The keys of Standard Webhooks, the one that signs first, then the one before it while both hold.
struct Secrets {
  std::vector<auth::Secret> keys;
};
// One or two lines "whsec_BASE64", of 24 to 64 octets each. What is wrong is said without what stands there.
Expected<Secrets> parse_secrets(std::string_view text);

struct Webhook {
  std::string name;
  std::optional<Url> url;                             // none: it is polled
  std::shared_ptr<const Secrets> secrets;             // null only without a URL
  std::vector<std::string> kinds;                     // empty: all
  std::vector<std::string> sender_domains, accounts;  // either fits; both empty: everybody's
  Addresses addresses = Addresses::plain;
  std::uint32_t batch = 500;  // events of one request
  std::chrono::seconds timeout{15};
  std::chrono::seconds alert_after{600};  // of failures in a row

  bool wants(std::string_view kind, std::string_view sender_domain, std::string_view account) const;
};
using WebhookPtr = std::shared_ptr<const Webhook>;
using Webhooks = std::vector<WebhookPtr>;

// How long events rest in webhooks.db, for those that were not taken and for replays.
struct Keeping {
  std::uint32_t days = 7;
  std::uint64_t octets = 1u << 30;
};

}  // namespace sealpost::webhooks
