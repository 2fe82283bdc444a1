// SPDX-License-Identifier: Apache-2.0
#include "intake/client_handler.hpp"

#include "base/log.hpp"
#include "intake/incoming_message.hpp"

namespace sealpost::intake {
namespace {

constexpr smtp::ServerReply no_room{452, "4.3.1", "not enough storage, try again later"};
constexpr smtp::ServerReply storage_down{451, "4.3.0", "storage is not available, try again later"};
constexpr smtp::ServerReply out_of_order{421, "4.3.0", "storage is out of order, try again later"};

}  // namespace

// D-08: before the client sends a body that could not be kept. D-07: a journal that takes nothing any more takes
// nothing from this session either, and who is sent away may find another relay.
std::optional<smtp::ServerReply> ClientHandler::check_sender(const smtp::SessionInfo&,
                                                             const smtp::MailCommand& command) {
  const auto room = worker_.services.spool.room_for(command.size);
  if (!room && room.error().code == Errc::no_space) return no_room;
  if (!worker_.services.spool.healthy()) return out_of_order;
  if (room) return std::nullopt;
  return storage_down;
}

std::optional<smtp::ServerReply> ClientHandler::check_recipient(const smtp::SessionInfo&,
                                                                std::string& address) {
  return settings_->relay.check_recipient(trusted_, address);
}

Expected<std::unique_ptr<smtp::IncomingMessage>, smtp::ServerReply> ClientHandler::begin(
    const smtp::SessionInfo& session, Envelope envelope, std::uint64_t size) {
  return std::unique_ptr<smtp::IncomingMessage>(
      std::make_unique<SpooledMessage>(worker_, settings_, session, trusted_, std::move(envelope), size));
}

// The command's text is never logged: it may be a password sent to the wrong port (T-05).
void ClientHandler::refused(const smtp::SessionInfo& session, smtp::Verb verb,
                            const smtp::ServerReply& reply) noexcept {
  worker_.services.counters.refused.fetch_add(1, std::memory_order_relaxed);
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
