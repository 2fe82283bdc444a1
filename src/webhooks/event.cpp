// SPDX-License-Identifier: Apache-2.0
#include "webhooks/event.hpp"

#include <span>

#include "auth/scram.hpp"
#include "base/digest.hpp"
#include "base/text.hpp"
#include "ledger/payload.hpp"
#include "mail/address.hpp"

namespace sealpost::webhooks {
namespace {

constexpr std::size_t id_octets = 16;
constexpr std::string_view name_prefix = "evt_";

std::string hex_of(std::string_view octets) {
  return text::hex({reinterpret_cast<const std::uint8_t*>(octets.data()), octets.size()});
}

void put_number(std::string& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

// Replies of hosts may be no UTF-8.
std::string dumped(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

std::string event_name(std::string_view octets) { return std::string(name_prefix) + hex_of(octets); }

std::optional<std::string> event_octets(std::string_view name) {
  if (!name.starts_with(name_prefix)) return std::nullopt;
  const auto octets = text::from_hex(name.substr(name_prefix.size()));
  if (!octets || octets->size() != id_octets) return std::nullopt;
  return std::string(octets->begin(), octets->end());
}

std::string event_id(const spool::Cursor& place, std::uint64_t index, const MessageId& message,
                     std::string_view kind, SystemTime when) {
  std::string said;
  put_number(said, place.node);
  put_number(said, place.position.segment);
  put_number(said, place.position.offset);
  put_number(said, index);
  put_number(said, static_cast<std::uint64_t>(when.time_since_epoch().count()));
  said += message.to_string();
  said += kind;
  return sha256_octets(said).substr(0, id_octets);
}

std::string to_text(const Event& event) {
  Json whole = event.body;
  whole["event_id"] = event_name(event.id);
  whole["kind"] = event.kind;
  whole["time"] = to_rfc3339(event.when);
  return dumped(whole);
}

std::string hashed(const Webhook& webhook, std::string_view address) {
  if (!webhook.secrets || webhook.secrets->keys.empty()) return {};
  return hex_of(
      std::string_view(auth::hmac_sha256(webhook.secrets->keys.front().view(), text::lower(address)))
          .substr(0, id_octets));
}

std::string shown_to(const Webhook& webhook, const std::string& text) {
  if (webhook.addresses == Addresses::plain) return text;
  Json event = Json::parse(text, nullptr, false);
  if (!event.is_object()) return {};
  const auto recipient = event.find("recipient");
  const std::string address =
      recipient != event.end() && recipient->is_string() ? recipient->get<std::string>() : std::string();
  for (const char* key : {"reply", "why"})
    if (const auto said = event.find(key); said != event.end() && said->is_string())
      *said = ledger::without_addresses(said->get<std::string>(), address);
  for (const char* key : {"sender", "recipient", "account"}) {
    const auto at = event.find(key);
    if (at == event.end() || !at->is_string() || at->get_ref<const std::string&>().empty()) continue;
    const std::string whole = at->get<std::string>();
    if (webhook.addresses == Addresses::hash) {
      *at = hashed(webhook, whole);
    } else {
      const std::string domain = domain_of(whole);
      *at = domain.empty() ? std::string() : "@" + domain;
    }
  }
  return dumped(event);
}

std::string request_body(std::string_view node, std::string_view webhook,
                         const std::vector<std::string>& events) {
  std::string body =
      "{\"node\":" + dumped(Json(node)) + ",\"webhook\":" + dumped(Json(webhook)) + ",\"events\":[";
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (i > 0) body += ',';
    body += events[i];
  }
  return body + "]}";
}

}  // namespace sealpost::webhooks
