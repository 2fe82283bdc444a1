// SPDX-License-Identifier: Apache-2.0
#include "delivery/outcome.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace sealpost::delivery {
namespace {

using smtp::Reply;
using smtp::Stage;

constexpr std::uint16_t out_of_step = 503;

RecipientFate from_reply(std::uint32_t recipient, const Reply& reply, Channel channel, Hop hop) {
  RecipientFate fate;
  fate.recipient = recipient;
  fate.status = reply.status.to_string();
  fate.diagnostic = reply.to_string();
  fate.remote = true;
  if (reply.positive())
    fate.fate = Fate::delivered;
  else if (reply.code == out_of_step || (channel == Channel::clear && demands_encryption(reply)) ||
           (hop == Hop::of_operator && demands_login(reply)))
    fate.status.front() = '4';
  else if (reply.permanent())
    fate.fate = Fate::failed;
  fate.elsewhere = fate.fate == Fate::deferred;
  return fate;
}

RecipientFate lost(std::uint32_t recipient, const smtp::SessionError& error) {
  RecipientFate fate;
  fate.recipient = recipient;
  fate.fate = Fate::deferred;
  fate.elsewhere = error.reply || error.stage != Stage::final_dot;  // D-15
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

bool contains(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

bool refused_in_clear(const std::optional<Reply>& reply) { return reply && demands_encryption(*reply); }

}  // namespace

// 530 5.7.0 is RFC 3207 §4, 538 and 5.7.11 RFC 4954 §6, 523 and 5.7.10 RFC 5248. Others are known by their words.
bool demands_encryption(const Reply& reply) {
  if (!reply.permanent()) return false;
  if (reply.code == 530 || reply.code == 523 || reply.code == 538) return true;
  if (!reply.enhanced || reply.status.subject != 7) return false;
  if (reply.status.detail == 10 || reply.status.detail == 11) return true;
  const std::string words = text::lower(reply.to_string());
  return contains(words, "starttls") || contains(words, "must use tls") || contains(words, "tls required") ||
         contains(words, "tls is required") || contains(words, "requires tls") ||
         contains(words, "encryption required") || contains(words, "encryption is required") ||
         contains(words, "encryption needed");
}

// 530, 534, 535 and 538 are RFC 4954 §6, 5.7.8 and 5.7.9 as well; 5.7.57 is Exchange's. Others are known by their words.
bool demands_login(const Reply& reply) {
  if (!reply.permanent()) return false;
  if (reply.code == 530 || reply.code == 534 || reply.code == 535 || reply.code == 538) return true;
  if (!reply.enhanced || reply.status.subject != 7) return false;
  if (reply.status.detail == 8 || reply.status.detail == 9 || reply.status.detail == 57) return true;
  const std::string words = text::lower(reply.to_string());
  return contains(words, "authentication required") || contains(words, "authentication is required") ||
         contains(words, "must authenticate") || contains(words, "not authenticated") ||
         contains(words, "must be authenticated");
}

const Reply* demands_login(const smtp::TransactionResult& result) {
  const auto demands = [](const std::optional<Reply>& reply) { return reply && demands_login(*reply); };
  if (demands(result.mail)) return &*result.mail;
  if (demands(result.final)) return &*result.final;
  const auto found = std::find_if(result.rcpt.begin(), result.rcpt.end(), demands);
  return found == result.rcpt.end() ? nullptr : &**found;
}

bool demands_encryption(const smtp::TransactionResult& result) {
  return refused_in_clear(result.mail) || refused_in_clear(result.final) ||
         std::any_of(result.rcpt.begin(), result.rcpt.end(), refused_in_clear);
}

bool ends_session(const smtp::TransactionResult& result) noexcept {
  if (result.unreadable) return false;
  if (result.mail) return result.mail->transient();
  if (result.final) return result.final->code == 421;
  if (!result.failure) {  // nobody was taken, for want of room in this session
    return !result.rcpt.empty() && std::all_of(result.rcpt.begin(), result.rcpt.end(),
                                               [](const auto& reply) { return reply && reply->code == 452; });
  }
  const smtp::SessionError& failure = *result.failure;
  if (failure.stage == Stage::final_dot) return false;
  if (failure.reply) return failure.reply->code == 421;
  return failure.error.code == Errc::closed || failure.error.code == Errc::io;
}

bool orderly(const smtp::TransactionResult& result) noexcept { return !result.failure && !result.mail; }

bool ambiguous(const smtp::TransactionResult& result) noexcept {
  return result.failure && result.failure->stage == Stage::final_dot && !result.failure->reply;
}

std::vector<RecipientFate> fates_of(const smtp::Transaction& transaction,
                                    const smtp::TransactionResult& result, Channel channel, Hop hop) {
  std::vector<RecipientFate> fates;
  fates.reserve(transaction.recipients.size());
  const bool any_accepted = std::any_of(result.rcpt.begin(), result.rcpt.end(),
                                        [](const auto& reply) { return reply && reply->positive(); });
  for (std::size_t i = 0; i < transaction.recipients.size(); ++i) {
    const std::uint32_t recipient = transaction.recipients[i];
    const std::optional<Reply> rcpt = i < result.rcpt.size() ? result.rcpt[i] : std::nullopt;
    if (result.mail && !result.mail->positive()) {
      fates.push_back(from_reply(recipient, *result.mail, channel, hop));
    } else if (rcpt && !rcpt->positive()) {
      fates.push_back(from_reply(recipient, *rcpt, channel, hop));
      if (too_many(*rcpt, any_accepted)) fates.back().fate = Fate::again;
    } else if (result.final && !(result.final->positive() && !rcpt)) {
      fates.push_back(from_reply(recipient, *result.final, channel, hop));
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
