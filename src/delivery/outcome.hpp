// SPDX-License-Identifier: Apache-2.0
//
// The one place that says what a reply or a failure means for the mail: delivered, deferred or failed, and
// whom it hits: one recipient, the message, the lane. RFC 5321 §4.5.4.1, §3.8; enhanced codes N15.
//
// How errors are dealt with, in prose:
//
// - A 2yz to the final dot delivers to every recipient that was answered 2yz. Nothing else delivers.
// - A 5yz to MAIL, RCPT, DATA or the final dot is that host's word about this mail: final, whichever host of the
//   domain says it (M25). A 5yz to the greeting or to EHLO is about the host: the next one is tried, and only 521
//   from all of them is final (RFC 7504).
// - A 4yz, a 421, a connection lost or a limit passed before the final dot says that this host cannot take the mail
//   now. Those it concerns go on to the next host within the attempt (RFC 5321 §5.1): the recipients that were
//   deferred, not those that were accepted; the latter are on record as delivered before the next host is dialled
//   (D-13). A word about recipients or content stands for all addresses of the host, trouble with the session for
//   that address. How many sessions an attempt may have says tour.hpp.
// - A reply to the final dot that is lost, or that is none, may have followed a delivery: no other host is asked, and
//   the next attempt waits (D-15).
// - 503 says that the two of us have lost step, not that the mail is unwanted: temporary.
// - 5yz that ask for encryption first (530, 523, 538, or an enhanced code or words to that effect) in a session
//   that is not encrypted say how the host wants to be talked to: temporary, and from then on the host is not offered
//   mail in clear after a failed handshake. Inside TLS the same codes are about the mail, and final.
// - 5yz that ask for a login (530, 534, 535, 538, or an enhanced code or words to that effect) are about us when the host is a relay
//   of our operator's choice: whose account is missing, wrong or over must not send back everybody's mail. Temporary.
// - A session that ends between messages (421, a close, a 4yz to MAIL) after at least one went through it has carried
//   what the host takes in one: neither the host's failure nor the mail's attempt. A new connection follows at once, and
//   the number is remembered (hosts.hpp). A host that ends a session before the first message has failed.
// - Too many recipients (452, or 552 from old servers, after others were accepted): the rest goes at once, in another
//   transaction (§4.5.3.1.10).
// - A session that lost step (bad grammar, a word nobody asked for) is dropped; a reply is never taken for the answer
//   to another command. What was in it is temporary.
// - What a host cannot be told, because it lacks an extension that the mail needs (SMTPUTF8), goes on to the next one. When
//   every host of the domain was reached and lacks it, that is final (RFC 6531 §3.5: 5.6.7); the others of the same message are
//   not touched by it.
// - What a policy refuses is temporary (T-16); its host counts as unreachable (RFC 8461 §5.1).
// - What our own spool cannot give says nothing about anybody else.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "smtp/client_session.hpp"
#include "spool/spool.hpp"

namespace sealpost::delivery {

struct Proof;

enum class Fate : std::uint8_t {
  delivered,
  deferred,
  failed,
  again
};  // again: next transaction, at once (452/552)

// With whom a session was, and how: for log lines and notifications, after the connection itself is gone.
struct Meeting {
  Meeting() = default;
  std::string mx_host, ip;
  bool encrypted = false;
  std::string tls, cipher, verified, policy;
  std::shared_ptr<const Proof> proof;  // what the session proved; the words before it are of it
  bool takes_dsn = false;
};

struct RecipientFate {
  RecipientFate() = default;
  std::uint32_t recipient = 0;
  Fate fate = Fate::deferred;
  std::string status;      // "2.1.5", "5.1.1", "4.4.2"
  std::string diagnostic;  // remote reply or our own words, one printable line
  bool remote = false;     // the words are the remote MTA's
  bool elsewhere = false;  // deferred, and another host may be asked at once
  bool unfit =
      false;  // deferred because the host offers too little for it; for good when no host offers more
  std::string besides;                 // what was met at other hosts of this attempt, in short
  std::shared_ptr<const Meeting> met;  // null: no session, or its recorder did not say
};

enum class Channel : std::uint8_t { clear, encrypted };

// Who chose the host: the recipient's domain, or our operator.
enum class Hop : std::uint8_t { of_domain, of_operator };

// What one transaction did to each of its recipients.
std::vector<RecipientFate> fates_of(const smtp::Transaction& transaction,
                                    const smtp::TransactionResult& result,
                                    Channel channel = Channel::encrypted, Hop hop = Hop::of_domain);
// A permanent reply that asks who we are, instead of refusing the mail.
bool demands_login(const smtp::Reply& reply);
// The first of this transaction that does; null: none.
const smtp::Reply* demands_login(const smtp::TransactionResult& result);
// A permanent reply in clear that asks for encryption first.
bool demands_encryption(const smtp::Reply& reply);
// Some reply of this transaction did.
bool demands_encryption(const smtp::TransactionResult& result);
// The peer wants no more mail in this session: said between messages, or by going away there. What it means depends on
// whether any went through before.
bool ends_session(const smtp::TransactionResult& result) noexcept;
// The word is about recipients or content, not about the session: other addresses of the host need not be asked.
bool orderly(const smtp::TransactionResult& result) noexcept;
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
  std::string policy, mx;      // by_policy: "mta-sts:20240101", "partner:Noord", and the host it is about
  bool sts_involved = false;   // MTA-STS decided: recheck before anything permanent (S38)
  bool sts_changed = false;    // and it has changed meanwhile: one more attempt before giving up
  bool remote = false;         // text is a remote reply
  bool none_left = false;      // this attempt has been at every host already
  bool no_place = false;       // as many connections as configured are open: not an attempt, wait for one
  bool leave_gateway = false;  // nothing sends this mail to a gateway any more: back to where it was going
  std::string remote_mta;
  std::shared_ptr<const Proof>
      proof;  // what the session that was not good enough showed, and what was asked of it
  bool permanent() const noexcept { return !status.empty() && status.front() == '5'; }
};

// For connection and session failures before a transaction: "4.4.1 connect to mx[192.0.2.1]:25: timed out".
Refusal refusal_from(const smtp::SessionError& error, const std::string& host, const Endpoint& endpoint);

}  // namespace sealpost::delivery
