// SPDX-License-Identifier: Apache-2.0
//
// An event: what became of a message or a recipient, as JSON (docs/webhooks.md, Events). Its name is a function of the journal
// alone, so that the same event always has the same one, however often it is told. Pure.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "mail/message_id.hpp"
#include "sealpost/clock.hpp"
#include "spool/follower.hpp"
#include "webhooks/settings.hpp"

namespace sealpost::webhooks {

using Json = nlohmann::json;

struct Event {
  std::string id;  // 16 octets
  std::string_view kind;
  SystemTime when{};
  std::string domain, account;  // of the sender, for filters
  Json body;                    // what is in it beside event_id, kind and time
};

// "evt_" and 32 hexadecimal digits.
std::string event_name(std::string_view octets);
// Nothing: it is no name of an event.
std::optional<std::string> event_octets(std::string_view name);

// Of the entry at a place of the journal, the `index`th event of it. What it says is in the name, too: a journal that a
// backup brought back may hold something else at the same place.
std::string event_id(const spool::Cursor& place, std::uint64_t index, const MessageId& message,
                     std::string_view kind, SystemTime when);

std::string to_text(const Event& event);
// The text of an event as a webhook is to have it.
std::string shown_to(const Webhook& webhook, const std::string& text);
// What stands for an address with addresses = "hash": the first 16 octets of HMAC-SHA-256 with the secret over it in lower
// case, so that who has the secret knows again the addresses that it knows.
std::string hashed(const Webhook& webhook, std::string_view address);

// The body of a request: texts of events as they are.
std::string request_body(std::string_view node, std::string_view webhook,
                         const std::vector<std::string>& events);

}  // namespace sealpost::webhooks
