// SPDX-License-Identifier: Apache-2.0
//
// SpooledMessage: one message between 354 and its 250, on its way into the spool. Short ones stay in memory
// and are written once. Of long ones each 256 KiB goes ahead to the journal, so a session's memory does not
// depend on what its client sends; all sessions together stay within the body budget (T-28).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "intake/client_handler.hpp"
#include "mail/relay_signing.hpp"
#include "mail/utf8_headers.hpp"
#include "smtp/server_handler.hpp"

namespace sealpost::intake {

class SpooledMessage final : public smtp::IncomingMessage {
 public:
  // Puts our Received field in front (RFC 5321 §4.4).
  SpooledMessage(Worker& worker, SettingsPtr settings, const smtp::SessionInfo& session, bool trusted,
                 Envelope envelope, std::uint64_t size_hint);
  ~SpooledMessage() override;

  std::string& buffer() noexcept override { return message_.body; }
  Progress appended() override;
  event::Task<Progress> settle() override;
  void header_was_mended() noexcept override { header_mended_ = true; }
  smtp::ServerReply refusal() const noexcept override { return refusal_; }
  event::Task<Expected<MessageId, smtp::ServerReply>> finish(bool eight_bit) override;

 private:
  Progress refuse(const smtp::ServerReply& reply) noexcept;
  bool head_is_whole() const noexcept;
  enum class Come : std::uint8_t { part, all };  // of the message
  std::optional<smtp::ServerReply> look_at_head(Come come);
  std::optional<smtp::ServerReply> complete_head(Come come);
  event::Task<Progress> write_ahead();
  void look_at_what_came();
  event::Task<Expected<void>> put_signatures();
  void log_signing() const;
  void log_accepted(const spool::StoredMessage& stored) const;

  Worker& worker_;
  SettingsPtr settings_;
  const smtp::SessionInfo& session_;
  bool trusted_;  // its client may relay
  spool::NewMessage message_;
  MessageId id_;
  BodyBudget::Lease lease_;
  std::size_t own_octets_ = 0;             // of our Received field, before the client's first octet
  std::unique_ptr<RelaySigning> signing_;  // null: [dkim] sign_relayed is off
  std::unique_ptr<Utf8Headers> utf8_;      // null: its client did not say SMTPUTF8
  bool head_seen_ = false;
  bool header_mended_ = false;
  bool wrote_ahead_ = false;
  bool stored_ = false;
  smtp::ServerReply refusal_;
};

}  // namespace sealpost::intake
