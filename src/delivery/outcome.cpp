// SPDX-License-Identifier: Apache-2.0
#include "delivery/outcome.hpp"

#include <algorithm>

namespace sealpost::delivery {
namespace {

using smtp::Reply;
using smtp::Stage;

RecipientFate from_reply(std::uint32_t recipient, const Reply& reply) {
  RecipientFate fate;
  fate.recipient = recipient;
  fate.status = reply.status.to_string();
  fate.diagnostic = reply.to_string();
  fate.remote = true;
  if (reply.positive())
    fate.fate = Fate::delivered;
  else if (reply.permanent())
    fate.fate = Fate::failed;
  else
    fate.fate = Fate::deferred;
  return fate;
}

RecipientFate lost(std::uint32_t recipient, const smtp::SessionError& error) {
  RecipientFate fate;
  fate.recipient = recipient;
  fate.fate = Fate::deferred;
  if (error.reply) {  // 421 and its like: pending work is transient (RFC 5321 §3.8)
    fate.status = error.reply->permanent() ? "4.3.0" : error.reply->status.to_string();
    fate.diagnostic = error.reply->to_string();
    fate.remote = true;
    return fate;
  }
  fate.status = error.error.code == Errc::protocol || error.error.code == Errc::too_long ? "4.5.0" : "4.4.2";
  fate.diagnostic = "connection lost at " + std::string(name_of(error.stage)) + ": " + error.error.detail;
  return fate;
}

RecipientFate unreadable(std::uint32_t recipient, const smtp::SessionError& error) {
  RecipientFate fate;
  fate.recipient = recipient;
  fate.status = "4.3.0";
  fate.diagnostic = "the message cannot be read from the spool: " + error.error.detail;
  return fate;
}

// "Too many recipients": 452, and 552 from old servers, once others were accepted (RFC 5321 §4.5.3.1.10).
bool too_many(const Reply& reply, bool others_accepted) noexcept {
  if (!others_accepted) return false;
  return reply.code == 452 || reply.code == 552;
}

}  // namespace

bool ambiguous(const smtp::TransactionResult& result) noexcept {
  return result.failure && result.failure->stage == Stage::final_dot && !result.failure->reply;
}

std::vector<RecipientFate> fates_of(const smtp::Transaction& transaction,
                                    const smtp::TransactionResult& result) {
  std::vector<RecipientFate> fates;
  fates.reserve(transaction.recipients.size());
  const bool any_accepted = std::any_of(result.rcpt.begin(), result.rcpt.end(),
                                        [](const auto& reply) { return reply && reply->positive(); });
  for (std::size_t i = 0; i < transaction.recipients.size(); ++i) {
    const std::uint32_t recipient = transaction.recipients[i];
    const std::optional<Reply> rcpt = i < result.rcpt.size() ? result.rcpt[i] : std::nullopt;
    if (result.mail && !result.mail->positive()) {
      fates.push_back(from_reply(recipient, *result.mail));
    } else if (rcpt && !rcpt->positive()) {
      fates.push_back(from_reply(recipient, *rcpt));
      if (too_many(*rcpt, any_accepted)) fates.back().fate = Fate::again;
    } else if (result.final && !(result.final->positive() && !rcpt)) {
      fates.push_back(from_reply(recipient, *result.final));
    } else if (result.unreadable) {
      fates.push_back(unreadable(recipient, *result.failure));
    } else if (result.failure) {
      fates.push_back(lost(recipient, *result.failure));
    } else {
      RecipientFate fate;
      fate.recipient = recipient;
      fate.status = "4.5.0";
      fate.diagnostic = "no reply for this recipient";
      fates.push_back(fate);
    }
  }
  return fates;
}

Refusal refusal_from(const smtp::SessionError& error, const std::string& host, const Endpoint& endpoint) {
  Refusal refusal;
  const std::string where = host + "[" + endpoint.address.to_string() + "]:" + std::to_string(endpoint.port);
  if (error.reply) {
    // 521: the host takes no mail at all (RFC 7504); any other refusal to talk may pass.
    refusal.status = error.reply->code == 521 ? "5.3.2" : "4.3.2";
    refusal.text = where + " said at " + std::string(name_of(error.stage)) + ": " + error.reply->to_string();
    refusal.remote = true;
    refusal.remote_mta = host;
    return refusal;
  }
  switch (error.stage) {
    case Stage::connect:
      refusal.status = "4.4.1";
      refusal.text = "connect to " + where + ": " + error.error.detail;
      break;
    case Stage::handshake:
    case Stage::starttls:
      refusal.status = "4.7.5";
      refusal.text = "TLS handshake with " + where + " failed: " + error.error.detail;
      break;
    default:
      refusal.status = "4.4.2";
      refusal.text = "conversation with " + where + " failed at " + std::string(name_of(error.stage)) + ": " +
                     error.error.detail;
  }
  return refusal;
}

}  // namespace sealpost::delivery
