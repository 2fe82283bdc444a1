// SPDX-License-Identifier: Apache-2.0
//
// What a sender is told of a settlement (RFC 3461, RFC 3464): one notification for each kind of news in it. When: notices.cpp.
#include "base/log.hpp"
#include "delivery/settlement.hpp"

namespace sealpost::delivery {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t quoted_head = 64 * 1024;
constexpr int read_tries = 3;
constexpr auto read_again = 1s;

}  // namespace

// What a notification quotes, so that its sender knows which mail it is about. A passing trouble of the disk must not
// cost that; a body that stays unreadable must not cost the notification.
event::Task<std::string> Settler::head_of(spool::StoredMessagePtr original) {
  for (int i = 0; i < read_tries; ++i) {
    if (i > 0) co_await event::sleep_for(context_.loop, read_again);
    const auto reader = context_.spool.open(context_.loop, original);
    const Expected<std::string_view> piece = co_await reader->next();
    if (piece) co_return std::string(piece->substr(0, quoted_head));
  }
  log::warning("dsn_without_original",
               {{"for", original->id.to_string()}, {"why", "its body cannot be read"}});
  co_return std::string();
}

event::Task<std::vector<spool::NewMessage>> Settler::notifications(Settlement& settlement) {
  std::vector<spool::NewMessage> messages;
  const spool::StoredMessagePtr& original = settlement.message;
  if (original->envelope.reverse_path.empty()) co_return messages;
  if (settlement.failed.empty() && settlement.delayed.empty() && settlement.relayed.empty())
    co_return messages;

  const std::string head = co_await head_of(original);
  for (const DsnAction action : {DsnAction::failed, DsnAction::delayed, DsnAction::relayed}) {
    const auto& recipients = action == DsnAction::failed    ? settlement.failed
                             : action == DsnAction::delayed ? settlement.delayed
                                                            : settlement.relayed;
    if (recipients.empty()) continue;
    DsnRequest request;
    request.action = action;
    request.reporting_mta = settlement.hostname;
    request.postmaster = settlement.postmaster;
    request.original_id = original->id;
    std::string what(sealpost::name_of(action));
    for (const auto& entry : settlement.outcome.recipients) what += " " + std::to_string(entry.recipient);
    request.dsn_id = MessageId::derive(original->id, what, settlement.outcome.when);
    request.envelope = &original->envelope;
    request.original_head = head;
    request.original_complete = head.size() == original->size;  // RET=FULL, when it is short enough (N7)
    request.recipients = recipients;
    request.now = settlement.outcome.when;
    auto dsn = build_dsn(request);
    if (!dsn) continue;
    if (action == DsnAction::relayed) settlement.success_id = request.dsn_id;
    spool::NewMessage message;
    message.id = request.dsn_id;
    message.envelope = std::move(dsn->envelope);
    message.body = std::move(dsn->text);
    messages.push_back(std::move(message));
    context_.totals.dsns.fetch_add(1, std::memory_order_relaxed);
    log::info("dsn", {{"id", request.dsn_id.to_string()},
                      {"for", original->id.to_string()},
                      {"to", original->envelope.reverse_path},
                      {"action", sealpost::name_of(action)},
                      {"recipients", recipients.size()},
                      {"named", dsn->named}});
  }
  co_return messages;
}

}  // namespace sealpost::delivery
