// SPDX-License-Identifier: Apache-2.0
#include "intake/client_handler.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "intake/incoming_message.hpp"
#include "intake/report_message.hpp"
#include "intake/sender_rights.hpp"

namespace sealpost::intake {
namespace {

constexpr smtp::ServerReply no_room{452, "4.3.1", "not enough storage, try again later"};
constexpr smtp::ServerReply storage_down{451, "4.3.0", "storage is not available, try again later"};
constexpr smtp::ServerReply not_your_sender{550, "5.7.1", "your account may not send as this sender"};
constexpr smtp::ServerReply null_sender{550, "5.7.1", "your account may not send with an empty reverse-path"};
constexpr smtp::ServerReply allowance_used{
    451, "4.7.0",
    "your account may not send more now: what it may in an hour is used up, or it was disabled"};
// A report is kept or refused as a whole, which must not be the fate of other mail.
constexpr smtp::ServerReply another_transaction{
    452, "4.5.3", "reports and other mail take a transaction each, send it apart"};
constexpr smtp::ServerReply out_of_order{421, "4.3.0", "storage is out of order, try again later"};

}  // namespace

ClientHandler::ClientHandler(Worker& worker, SettingsPtr settings, Standing standing, bool named,
                             const IpAddress& from, ConnectionLimits::Slot& slot)
    : worker_(worker),
      settings_(std::move(settings)),
      slot_(slot),
      trusted_(standing == Standing::trusted),
      named_(named),
      speaks_for_others_(named &&
                         std::any_of(settings_->xclients.begin(), settings_->xclients.end(),
                                     [&](const Network& network) { return network.contains(from); })) {}

// From here on the session counts as the client's: who may relay, its places, what it may guess (T-27, T-30, T-31).
std::optional<smtp::ServerReply> ClientHandler::introduced(const smtp::SessionInfo& session, bool named) {
  const IpAddress& client = session.peer.address;
  const auto standing = settings_->standing_of(client, named);
  named_ = named;
  trusted_ = standing == Standing::trusted;
  certified_ = {};
  slot_ = {};
  if (standing) slot_ = worker_.services.connections.enter(client, *standing, worker_.loop.now());
  if (log::enabled(log::Level::info) && may_log()) {
    const std::string said = named ? session.peer.to_string() : "unknown";
    log::info("xclient", {{"client", said}, {"trusted", trusted_ ? "yes" : "no"}});
  }
  if (!standing) return smtp::replies::not_from_there;
  if (!slot_) return smtp::replies::too_many_connections;
  return std::nullopt;
}

// D-08: before the client sends a body that could not be kept. D-07: a journal that takes nothing any more takes
// nothing from this session either, and who is sent away may find another relay.
std::optional<smtp::ServerReply> ClientHandler::check_sender(const smtp::SessionInfo& session,
                                                             const smtp::MailCommand& command) {
  if (session.account && !may_send_as(*session.account, command.reverse_path))
    return command.reverse_path.empty() ? null_sender : not_your_sender;
  for_reports_.reset();
  const auto room = worker_.services.spool.room_for(command.size);
  if (!room && room.error().code == Errc::no_space) return no_room;
  if (!worker_.services.spool.healthy()) return out_of_order;
  if (room) return std::nullopt;
  return storage_down;
}

std::optional<smtp::ServerReply> ClientHandler::check_recipient(const smtp::SessionInfo&,
                                                                std::string& address) {
  if (const auto refused = settings_->relay.check_recipient(trusted_, address)) return refused;
  const bool reports = worker_.services.reports != nullptr && settings_->relay.is_for_reports(address);
  if (for_reports_.value_or(reports) != reports) return another_transaction;
  for_reports_ = reports;
  return std::nullopt;
}

Expected<std::unique_ptr<smtp::IncomingMessage>, smtp::ServerReply> ClientHandler::begin(
    const smtp::SessionInfo& session, Envelope envelope, std::uint64_t size) {
  // Before the message is sent, so that nobody sends it for nothing; of one that is refused then, it stays counted.
  const auto recipients = static_cast<std::uint32_t>(envelope.recipients.size());
  if (session.account && !settings_->server->authenticator->take_message(*session.account, recipients))
    return allowance_used;
  if (for_reports_.value_or(false))
    return std::unique_ptr<smtp::IncomingMessage>(
        std::make_unique<ReportMessage>(worker_, session, envelope));
  return std::unique_ptr<smtp::IncomingMessage>(
      std::make_unique<SpooledMessage>(worker_, settings_, session, trusted_, std::move(envelope), size));
}

// On a listener for submission a certificate lets nobody send without AUTH; elsewhere it can do what a network does. Not through
// a proxy that names no client, as with AUTH.
void ClientHandler::certified(const smtp::SessionInfo& session) noexcept {
  const tls::ClientCertificate& shown = *session.certificate;
  if (settings_->clients && named_) certified_ = certified_by(*settings_->clients, shown);
  const bool relays = certified_.relay && !settings_->submission();
  if (log::enabled(log::Level::info) && may_log()) {
    const std::string client = session.peer.to_string();
    log::info("client_certificate", {{"client", client},
                                     {"subject", shown.subject},
                                     {"sha256", shown.certificate_sha256},
                                     {"key_sha256", shown.key_sha256},
                                     {"trusted", shown.trusted ? "yes" : shown.why},
                                     {"user", certified_.user},
                                     {"relay", relays ? "yes" : "no"}});
  }
  if (!relays || trusted_) return;
  trusted_ = true;
  slot_.becomes_trusted(worker_.loop.now());
}

void ClientHandler::authenticated(const smtp::SessionInfo& session, std::string_view mechanism) noexcept {
  trusted_ = true;
  slot_.becomes_trusted(worker_.loop.now());
  worker_.services.counters.authenticated.fetch_add(1, std::memory_order_relaxed);
  if (!log::enabled(log::Level::info)) return;
  const std::string client = session.peer.to_string();
  log::info("authenticated", {{"client", client},
                              {"helo", session.helo},
                              {"user", session.account->name},
                              {"mechanism", mechanism},
                              {"tls", name_of(session.tls->version)}});
}

// Neither what the client sent nor anything made of it but the name it claims (T-05).
void ClientHandler::auth_failed(const smtp::SessionInfo& session, std::string_view mechanism,
                                const auth::Step& step) noexcept {
  worker_.services.counters.auth_failed.fetch_add(1, std::memory_order_relaxed);
  if (!log::enabled(log::Level::info) || !worker_.failed_lines.allow(worker_.loop.now())) return;
  const std::string client = session.peer.address.to_string();
  log::info("auth_failed", {{"client", client},
                            {"helo", session.helo},
                            {"user", step.name},
                            {"mechanism", mechanism},
                            {"why", step.why}});
}

// The command's text is never logged: it may be a password sent to the wrong port (T-05).
void ClientHandler::refused(const smtp::SessionInfo& session, smtp::Verb verb,
                            const smtp::ServerReply& reply) noexcept {
  worker_.services.counters.refused.fetch_add(1, std::memory_order_relaxed);
  if (verb == smtp::Verb::auth && (reply.code == 535 || reply.code == 454)) return;  // auth_failed() said so
  if (!log::enabled(log::Level::info) || !may_log()) return;
  const std::string client = session.peer.address.to_string();
  log::info("rejected", {{"client", client},
                         {"helo", session.helo},
                         {"command", name_of(verb)},
                         {"code", reply.code},
                         {"status", reply.status},
                         {"reason", reply.text}});
}

void ClientHandler::tls_begun(Duration took) noexcept {
  Counters& counters = worker_.services.counters;
  counters.encrypted.fetch_add(1, std::memory_order_relaxed);
  counters.handshake.observe(took);
}

void ClientHandler::tls_failed(const smtp::SessionInfo& session, const Error& error) noexcept {
  worker_.services.counters.handshakes_failed.fetch_add(1, std::memory_order_relaxed);
  if (!log::enabled(log::Level::info) || !may_log()) return;
  const std::string client = session.peer.address.to_string();
  log::info("tls_failed", {{"client", client}, {"error", name_of(error.code)}, {"reason", error.detail}});
}

}  // namespace sealpost::intake
