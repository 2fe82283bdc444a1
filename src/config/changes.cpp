// SPDX-License-Identifier: Apache-2.0
#include "config/changes.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

namespace sealpost::app {
namespace {

// Taken over by a reload: a whole table when the name ends in a dot. Everything else is read once, at the start.
constexpr auto reloaded = std::to_array<std::string_view>({
    "auth.messages",
    "auth.oauth.",
    "auth.recipients",
    "auth.unlisted",
    "client.",
    "listener.address_literals",
    "listener.allow",
    "listener.ask_certificate",
    "listener.bare_newline",
    "listener.client_ca",
    "listener.hide_client",
    "listener.honour_tls_required",
    "listener.proxy_protocol",
    "listener.smtputf8",
    "listener.xclient",
    "tls.also.",
    "tls.certificate",
    "tls.key",
    "tls.ocsp_staple",
    "tls.trust",
    "delivery.timeouts.",
    "delivery.retry",
    "delivery.lifetime",
    "delivery.delay_notice",
    "delivery.allow_destinations",
    "delivery.hold_first_for_policy",
    "delivery.messages_per_connection",
    "delivery.recipients_per_transaction",
    "delivery.idle_connection",
    "delivery.chunking",
    "delivery.signed_eight_bit",
    "delivery.ipv4",
    "delivery.ipv6",
    "mta_sts.enabled",
    "dane.",
    "route.",
    "evidence.keep_days",
    "ledger.keep_days",
    "webhook.",
    "webhooks.",
    "alerts.",
    "dkim.",
    "policies.",
    "tls_rpt.receive",
    "limits.",
    "limit.",
    "postmaster",
    "control.http_names",
    "control.http_proxy_from",
    "control.http_proxy_header",
    "control.http_proxy_role",
    "control.user.",
});

bool is_reloaded(std::string_view key) {
  if (key == "limits.body_memory") return false;
  return std::any_of(reloaded.begin(), reloaded.end(), [key](std::string_view known) {
    const bool table = known.ends_with('.');
    if (table && key == known.substr(0, known.size() - 1)) return true;  // an empty one: route = []
    return table ? key.starts_with(known) : key == known;
  });
}

// "route.1.relay" is "route.relay" of an entry.
std::string without_numbers(const std::string& key) {
  std::string plain;
  for (std::size_t from = 0; from <= key.size();) {
    const std::size_t dot = std::min(key.find('.', from), key.size());
    const std::string_view part(key.data() + from, dot - from);
    const bool number = std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!number) plain += (plain.empty() ? "" : ".") + std::string(part);
    from = dot + 1;
  }
  return plain;
}

std::vector<std::string> changed_keys(const WrittenValues& before, const WrittenValues& after,
                                      bool reloaded_ones) {
  std::set<std::string> keys;
  const auto compare = [&](const WrittenValues& one, const WrittenValues& other) {
    for (const auto& [key, value] : one) {
      const auto found = other.find(key);
      const std::string plain = without_numbers(key);
      if ((found == other.end() || found->second != value) && is_reloaded(plain) == reloaded_ones)
        keys.insert(plain);
    }
  };
  compare(before, after);
  compare(after, before);
  return {keys.begin(), keys.end()};
}

}  // namespace

std::vector<std::string> keys_taken_over(const WrittenValues& before, const WrittenValues& after) {
  return changed_keys(before, after, true);
}

std::vector<std::string> keys_for_restart(const WrittenValues& before, const WrittenValues& after) {
  return changed_keys(before, after, false);
}

}  // namespace sealpost::app
