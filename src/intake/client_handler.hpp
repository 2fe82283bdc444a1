// SPDX-License-Identifier: Apache-2.0
//
// ClientHandler: the machine behind one server session: relay control, room for the message, and the log.
#pragma once

#include "base/log_limit.hpp"
#include "intake/settings.hpp"
#include "smtp/server_handler.hpp"

namespace sealpost::intake {

// What the sessions of one loop share.
struct Worker {
  Worker(event::Loop& loop_, const Services& services_) : loop(loop_), services(services_) {}
  event::Loop& loop;
  Services services;
  std::uint64_t begun = 0;  // sessions
  log::LogLimit stranger_lines{"stranger", 200, 20};
  log::LogLimit trouble_lines{"store_failed", 20, 1};
  log::LogLimit unsigned_lines{"dkim_unsigned", 200, 20};
  log::LogLimit failed_lines{"auth_failed", 200, 20};
};

class ClientHandler final : public smtp::ServerHandler {
 public:
  // `named`: it is known whose address the client's is, which is `from`. `slot` outlives this.
  ClientHandler(Worker& worker, SettingsPtr settings, Standing standing, bool named, const IpAddress& from,
                ConnectionLimits::Slot& slot);

  bool trusted() const noexcept override { return trusted_; }
  bool stressed() const noexcept override { return worker_.services.connections.stressed(); }
  // Not through a proxy that says of nobody whom it speaks for: guesses could be laid at no door (T-31).
  bool may_authenticate() const noexcept override { return named_; }
  bool may_speak_for_others() const noexcept override { return speaks_for_others_; }
  std::optional<smtp::ServerReply> introduced(const smtp::SessionInfo& session, bool named) override;
  void certified(const smtp::SessionInfo& session) noexcept override;
  std::string certified_user() const override { return certified_.user; }
  void authenticated(const smtp::SessionInfo& session, std::string_view mechanism) noexcept override;
  void auth_failed(const smtp::SessionInfo& session, std::string_view mechanism,
                   const auth::Step& step) noexcept override;
  std::optional<smtp::ServerReply> check_sender(const smtp::SessionInfo& session,
                                                const smtp::MailCommand& command) override;
  std::optional<smtp::ServerReply> check_recipient(const smtp::SessionInfo& session,
                                                   std::string& address) override;
  Expected<std::unique_ptr<smtp::IncomingMessage>, smtp::ServerReply> begin(const smtp::SessionInfo& session,
                                                                            Envelope envelope,
                                                                            std::uint64_t size) override;
  void refused(const smtp::SessionInfo& session, smtp::Verb verb,
               const smtp::ServerReply& reply) noexcept override;
  void tls_begun(Duration took) noexcept override;
  void tls_failed(const smtp::SessionInfo& session, const Error& error) noexcept override;

  // False for a line that a stranger has caused too often.
  bool may_log() { return trusted_ || worker_.stranger_lines.allow(worker_.loop.now()); }

 private:
  Worker& worker_;
  SettingsPtr settings_;
  ConnectionLimits::Slot& slot_;
  bool trusted_;
  bool named_;
  bool speaks_for_others_;
  Certified certified_;
  std::optional<bool> for_reports_;  // of the transaction, from its first recipient on
};

}  // namespace sealpost::intake
