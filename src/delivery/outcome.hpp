// SPDX-License-Identifier: Apache-2.0
//
// The one place that says what a reply or a failure means for the mail: delivered, deferred or failed, and
// whom it hits: one recipient, the message, the lane. RFC 5321 §4.5.4.1, §3.8; enhanced codes N15.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "smtp/client_session.hpp"
#include "spool/spool.hpp"

namespace sealpost::delivery {

enum class Fate : std::uint8_t {
  delivered,
  deferred,
  failed,
  again
};  // again: next transaction, at once (452/552)

struct RecipientFate {
  RecipientFate() = default;
  std::uint32_t recipient = 0;
  Fate fate = Fate::deferred;
  std::string status;      // "2.1.5", "5.1.1", "4.4.2"
  std::string diagnostic;  // remote reply or our own words, one printable line
  bool remote = false;     // the words are the remote MTA's
};

// What one transaction did to each of its recipients.
std::vector<RecipientFate> fates_of(const smtp::Transaction& transaction,
                                    const smtp::TransactionResult& result);
// The reply to the final dot may have been lost: mail may have been delivered (D-15).
bool ambiguous(const smtp::TransactionResult& result) noexcept;

// Why no session could be had, or none that may be used.
struct Refusal {
  Refusal() = default;
  Refusal(std::string status_, std::string text_) : status(std::move(status_)), text(std::move(text_)) {}
  enum class Scope : std::uint8_t { message, lane };
  Scope scope = Scope::lane;
  std::string status;  // class says whether to retry
  std::string text;
  bool by_policy = false;      // a requirement was not met by at least one host
  bool by_partner = false;     // the operator's own rule decided: its grace and on_failure apply
  std::string rule;            // by_partner: that rule's name
  bool sts_involved = false;   // MTA-STS decided: recheck before anything permanent (S38)
  bool remote = false;         // text is a remote reply
  bool no_place = false;       // as many connections as configured are open: not an attempt, wait for one
  bool leave_gateway = false;  // nothing sends this mail to a gateway any more: back to where it was going
  std::string remote_mta;
  bool permanent() const noexcept { return !status.empty() && status.front() == '5'; }
};

// For connection and session failures before a transaction: "4.4.1 connect to mx[192.0.2.1]:25: timed out".
Refusal refusal_from(const smtp::SessionError& error, const std::string& host, const Endpoint& endpoint);

}  // namespace sealpost::delivery
