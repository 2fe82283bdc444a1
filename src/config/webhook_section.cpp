// SPDX-License-Identifier: Apache-2.0
//
// [[webhook]] and [webhooks]: who is told what became of mail, and how long events are kept (docs/webhooks.md).
#include <algorithm>

#include "auth/secret.hpp"
#include "base/text.hpp"
#include "config/checks.hpp"
#include "config/sections.hpp"
#include "config/whole_file.hpp"
#include "mail/address.hpp"

namespace sealpost::app {
namespace {

constexpr std::size_t most_webhooks = 50;
constexpr std::uint64_t longest_secret_file = 4096;

bool is_webhook_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), fits);
}

void read_webhook_secret(TableReader& reader, webhooks::Webhook& webhook) {
  if (!reader.has("secret")) return;
  const std::string path = read_file_path(reader, "secret", Secret::yes);
  if (path.empty()) return;
  auto whole = read_whole_file(path, longest_secret_file);
  if (!whole) return reader.error("secret", path + ": " + whole.error().detail);
  const auth::WipeAtEnd wipe(whole->text);
  auto secrets = webhooks::parse_secrets(whole->text);
  if (!secrets) return reader.error("secret", path + ": " + secrets.error().detail);
  webhook.secrets = std::make_shared<const webhooks::Secrets>(std::move(*secrets));
}

void read_webhook_events(TableReader& reader, webhooks::Webhook& webhook) {
  const auto kinds = reader.strings("events");
  if (!kinds) return;
  if (kinds->empty()) reader.error("events", "is empty; leave it out for all events");
  for (const std::string& kind : *kinds) {
    if (webhooks::is_known_kind(kind)) continue;
    std::string known;
    for (const std::string_view one : webhooks::known_kinds)
      known += (known.empty() ? "" : ", ") + std::string(one);
    reader.error("events", "'" + kind + "' is no kind of event; known are " + known);
  }
  webhook.kinds = *kinds;
}

void read_webhook_domains(TableReader& reader, webhooks::Webhook& webhook) {
  const auto domains = reader.strings("sender_domains");
  if (!domains) return;
  for (const std::string& domain : *domains) {
    if (const auto name = to_a_labels(domain))
      webhook.sender_domains.push_back(*name);
    else
      reader.error("sender_domains", "'" + domain + "' is not a domain; write it as \"example.net\"");
  }
}

}  // namespace

void read_webhooks(TableReader& reader, webhooks::Keeping& keeping) {
  if (const auto value = reader.integer("keep_days", 1, 365))
    keeping.days = static_cast<std::uint32_t>(*value);
  if (const auto value = reader.integer("most_octets", 1 << 20, std::int64_t{1} << 40))
    keeping.octets = static_cast<std::uint64_t>(*value);
}

void read_webhook(TableReader& reader, webhooks::Webhooks& webhooks) {
  auto webhook = std::make_shared<webhooks::Webhook>();
  reader.required("name");
  if (const auto name = reader.string("name")) {
    webhook->name = *name;
    if (!is_webhook_name(*name))
      reader.error("name", "'" + *name + "' is no name; use a-z, 0-9, - and _, 64 of them at most");
    const bool taken =
        std::any_of(webhooks.begin(), webhooks.end(), [&](const auto& one) { return one->name == *name; });
    if (taken) reader.error("name", "'" + *name + "' has a webhook already");
  }
  if (const auto text = reader.string("url")) {
    auto url = webhooks::parse_url(*text);
    if (url)
      webhook->url = std::move(*url);
    else
      reader.error("url", "'" + text::printable(*text) + "': " + url.error().detail +
                              "; write it as \"https://hooks.example.net/mail\"");
  }
  read_webhook_secret(reader, *webhook);
  read_webhook_events(reader, *webhook);
  read_webhook_domains(reader, *webhook);
  if (const auto accounts = reader.strings("accounts")) webhook->accounts = *accounts;
  const auto addresses = reader.choice("addresses", {"plain", "domain", "hash"});
  if (addresses && *addresses == "domain") webhook->addresses = webhooks::Addresses::domain;
  if (addresses && *addresses == "hash") webhook->addresses = webhooks::Addresses::hash;
  if (const auto value = reader.integer("batch", 1, 1000))
    webhook->batch = static_cast<std::uint32_t>(*value);
  if (const auto value = read_at_least(reader, "timeout", std::chrono::seconds(1))) webhook->timeout = *value;
  if (const auto value = read_at_least(reader, "alert_after", std::chrono::seconds(1)))
    webhook->alert_after = *value;
  if (!reader.has("secret") && reader.has("url"))
    reader.error("url", "needs a secret: without one its receiver cannot tell who writes");
  if (!reader.has("secret") && webhook->addresses == webhooks::Addresses::hash)
    reader.error("addresses", "'hash' needs a secret, which is the key of the hashes");
  if (webhooks.size() == most_webhooks)
    reader.error("name", "is one too many: " + std::to_string(most_webhooks) + " webhooks may be");
  webhooks.push_back(std::move(webhook));
}

}  // namespace sealpost::app
