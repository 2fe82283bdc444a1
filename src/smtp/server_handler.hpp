// SPDX-License-Identifier: Apache-2.0
//
// ServerHandler: what a server session asks of the machine behind it. The session knows the protocol; who may
// relay, where a message is kept and what is logged is the handler's (src/intake). One handler per session.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "auth/authenticator.hpp"
#include "event/task.hpp"
#include "mail/envelope.hpp"
#include "mail/message_id.hpp"
#include "sealpost/expected.hpp"
#include "sealpost/handshake_facts.hpp"
#include "sealpost/ip_address.hpp"
#include "smtp/command.hpp"
#include "smtp/server_reply.hpp"
#include "smtp/server_state.hpp"
#include "tls/channel_bindings.hpp"
#include "tls/client_certificate.hpp"

namespace sealpost::smtp {

struct SessionInfo {
  Endpoint peer;
  Endpoint local;
  std::string helo;    // argument of the last EHLO or HELO, ASCII without controls or spaces; empty before
  bool esmtp = false;  // it was EHLO
  bool http = false;   // no session at all: a request that hands in one message (src/injection)
  std::unique_ptr<const HandshakeFacts> tls;                  // null: in clear
  tls::ChannelBindings bindings;                              // until the client is authenticated
  std::shared_ptr<const tls::ClientCertificate> certificate;  // that the client showed; null: none
  auth::AccountPtr account;                                   // whom AUTH has proven it to be; null: nobody
};

// One message on its way in, from 354 to the reply to its final dot. Destroying it drops the message.
class IncomingMessage {
 public:
  virtual ~IncomingMessage() = default;

  enum class Progress : std::uint8_t {
    go_on,
    settle,   // await settle() before appending more
    refused,  // see refusal(); append nothing more
  };
  // The session appends content octets here, then calls appended().
  virtual std::string& buffer() noexcept = 0;
  virtual Progress appended() = 0;
  virtual event::Task<Progress> settle() = 0;
  // Of what has been appended: line ends of the header were mended (DataDecoder::mended_header). Before appended().
  virtual void header_was_mended() noexcept {}
  virtual ServerReply refusal() const noexcept = 0;

  // The message is complete: keep it. The id means that it is durable and this relay's responsibility (RFC
  // 5321 §6.1, D-01); an error is the reply that refuses it.
  virtual event::Task<Expected<MessageId, ServerReply>> finish(bool eight_bit) = 0;
};

class ServerHandler {
 public:
  virtual ~ServerHandler() = default;

  // One of the networks that may relay, or authenticated: its mistakes in recipients are no sign of abuse.
  virtual bool trusted() const noexcept = 0;
  // Places for strangers are scarce: they get less time and patience.
  virtual bool stressed() const noexcept { return false; }

  // The client has shown session.certificate, inside TLS that has just begun: it may be trusted() from now on. And the account
  // that it stands for, for which AUTH EXTERNAL is offered; empty: none.
  virtual void certified(const SessionInfo& /*session*/) noexcept {}
  virtual std::string certified_user() const { return {}; }

  // Where the session's options ask for AUTH: may this client say it? And how it went, for log and places; a failure is
  // one that `step` tells of. After authenticated() the client is trusted().
  virtual bool may_authenticate() const noexcept { return true; }
  virtual void authenticated(const SessionInfo& session, std::string_view mechanism) noexcept = 0;
  virtual void auth_failed(const SessionInfo& session, std::string_view mechanism,
                           const auth::Step& step) noexcept = 0;

  // May the peer of the connection say XCLIENT? And what it said: whose commands come from now on, as session.peer has it;
  // not `named`: the one who speaks does not know. Empty: go on; a reply: that client gets no place, and the session ends.
  virtual bool may_speak_for_others() const noexcept { return false; }
  virtual std::optional<ServerReply> introduced(const SessionInfo& /*session*/, bool /*named*/) {
    return std::nullopt;
  }

  // Empty: accepted. check_recipient() may put another address in place of the one given (<postmaster>). `size` is
  // what MAIL said, 0 when nothing: a hint.
  virtual std::optional<ServerReply> check_sender(const SessionInfo& session, const MailCommand& command) = 0;
  virtual std::optional<ServerReply> check_recipient(const SessionInfo& session, std::string& address) = 0;
  virtual Expected<std::unique_ptr<IncomingMessage>, ServerReply> begin(const SessionInfo& session,
                                                                        Envelope envelope,
                                                                        std::uint64_t size) = 0;

  // Told of every 4yz and 5yz that answers a command, and of handshakes; for log and counters.
  virtual void refused(const SessionInfo& session, Verb verb, const ServerReply& reply) noexcept = 0;
  virtual void tls_begun(Duration) noexcept {}
  virtual void tls_failed(const SessionInfo& session, const Error& error) noexcept = 0;
};

}  // namespace sealpost::smtp
