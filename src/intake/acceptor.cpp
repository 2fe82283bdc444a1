// SPDX-License-Identifier: Apache-2.0
#include "intake/acceptor.hpp"

#include <algorithm>
#include <string>

#include "base/log.hpp"
#include "intake/introduction.hpp"
#include "smtp/server_session.hpp"

namespace sealpost::intake {
namespace {

constexpr auto header_time = std::chrono::seconds(5);

}  // namespace

// One session and what belongs to it, in the list of those open.
struct Acceptor::Connection {
  Connection(Acceptor& acceptor_, std::unique_ptr<event::Stream> stream, ConnectionLimits::Slot slot_,
             Standing standing, bool named)
      : acceptor(acceptor_),
        slot(std::move(slot_)),
        handler(acceptor.worker_, acceptor.settings_, standing, named, stream->peer().address, slot),
        number(++acceptor.worker_.begun),
        session(std::move(stream), acceptor.settings_->server, handler),
        place(acceptor.open_.size()) {
    acceptor.open_.push_back(this);
  }
  ~Connection() {
    auto& open = acceptor.open_;
    open[place] = open.back();
    open[place]->place = place;
    open.pop_back();
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Acceptor& acceptor;
  ConnectionLimits::Slot slot;
  ClientHandler handler;
  std::uint64_t number;  // in order of arrival
  smtp::ServerSession session;
  std::size_t place;
};

Acceptor::Acceptor(event::Loop& loop, const Services& services, SettingsPtr settings)
    : worker_(loop, services), settings_(std::move(settings)), scope_(loop) {}

Acceptor::~Acceptor() = default;

Expected<void> Acceptor::listen(event::EventLoop& loop, FileDescriptor socket) {
  if (draining_) return {};  // the end came first
  auto listener = event::Listener::start(
      loop, std::move(socket), [this](std::unique_ptr<event::Stream> stream) { serve(std::move(stream)); });
  if (!listener) return std::move(listener).error();
  listeners_.push_back(std::move(*listener));
  return {};
}

void Acceptor::serve(std::unique_ptr<event::Stream> stream) {
  const IpAddress from = stream->peer().address;
  const bool proxy = std::any_of(settings_->proxies.begin(), settings_->proxies.end(),
                                 [&](const Network& network) { return network.contains(from); });
  if (!proxy) return admit(std::move(stream), true, {});
  // It takes a place while it waits, as everything with a descriptor does (T-27).
  auto slot = worker_.services.connections.enter(from, Standing::trusted, worker_.loop.now());
  if (!slot) return turn_away(*stream, false, smtp::replies::too_many_connections);
  scope_.spawn(meet(std::move(stream), std::move(slot)));
}

event::Task<void> Acceptor::meet(std::unique_ptr<event::Stream> stream, ConnectionLimits::Slot slot) {
  const std::string proxy = stream->peer().to_string();
  auto introduced = co_await introduce(std::move(stream), header_time);
  if (introduced) {
    // A proxy that speaks for nobody looks whether the relay is well: in a place of its own also while strangers have none.
    if (introduced->named) slot = {};
    admit(std::move(introduced->stream), introduced->named, std::move(slot));
    co_return;
  }
  slot = {};
  worker_.services.counters.turned_away.fetch_add(1, std::memory_order_relaxed);
  if (!log::enabled(log::Level::info) || !worker_.stranger_lines.allow(worker_.loop.now())) co_return;
  const Error& error = introduced.error();
  log::info("proxy_header", {{"proxy", proxy}, {"error", name_of(error.code)}, {"reason", error.detail}});
}

// A client that nobody named may not relay: who a proxy speaks for without saying so is not its own network's.
void Acceptor::admit(std::unique_ptr<event::Stream> stream, bool named, ConnectionLimits::Slot slot) {
  const IpAddress client = stream->peer().address;
  const auto standing = settings_->standing_of(client, named);
  if (!standing) return turn_away(*stream, false, smtp::replies::not_from_there);
  const bool trusted = *standing == Standing::trusted;
  if (draining_) {
    turn_away(*stream, trusted, smtp::replies::shutting_down);
    return;
  }
  if (!slot) slot = worker_.services.connections.enter(client, *standing, worker_.loop.now());
  if (!slot) {
    if (trusted) worker_.services.counters.turned_away_trusted.fetch_add(1, std::memory_order_relaxed);
    turn_away(*stream, trusted, smtp::replies::too_many_connections);
    return;
  }
  worker_.services.counters.connections.fetch_add(1, std::memory_order_relaxed);
  scope_.spawn(
      converse(std::make_unique<Connection>(*this, std::move(stream), std::move(slot), *standing, named)));
  if (worker_.services.connections.over()) make_room();
  note_stress();
}

// The stranger who has been here longest goes. Where none of this worker's waits, another worker's next client finds
// the same; until then there is a session too many, and strangers' limits are those of stress.
void Acceptor::make_room() {
  Connection* oldest = nullptr;
  for (Connection* connection : open_) {
    if (connection->slot.trusted() || !connection->slot || !connection->session.can_be_shed()) continue;
    if (oldest == nullptr || connection->number < oldest->number) oldest = connection;
  }
  if (oldest == nullptr) return;
  oldest->session.shed();
  oldest->slot = {};
  worker_.services.counters.shed.fetch_add(1, std::memory_order_relaxed);
}

void Acceptor::note_stress() {
  const bool before = std::exchange(stressed_, worker_.services.connections.stressed());
  if (before || !stressed_) return;
  worker_.services.counters.stresses.fetch_add(1, std::memory_order_relaxed);
  for (Connection* connection : open_)
    if (!connection->handler.trusted()) connection->session.limits_changed();
}

event::Task<void> Acceptor::converse(std::unique_ptr<Connection> connection) {
  ClientHandler& handler = connection->handler;
  smtp::ServerSession& session = connection->session;
  const std::string client = session.info().peer.to_string();
  if (log::enabled(log::Level::info) && handler.may_log())
    log::info("connect", {{"client", client}, {"trusted", handler.trusted() ? "yes" : "no"}});
  const auto ending = co_await session.run();
  if (ending == smtp::ServerSession::Ending::timed_out)
    worker_.services.counters.timed_out.fetch_add(1, std::memory_order_relaxed);
  if (!log::enabled(log::Level::info) || !handler.may_log()) co_return;
  const std::string last = session.info().peer.to_string();  // XCLIENT may have named another
  log::info("disconnect", {{"client", last},
                           {"helo", session.info().helo},
                           {"reason", name_of(ending)},
                           {"messages", session.messages()},
                           {"errors", session.errors()}});
}

void Acceptor::turn_away(event::Stream& stream, bool trusted, const smtp::ServerReply& reply) {
  worker_.services.counters.turned_away.fetch_add(1, std::memory_order_relaxed);
  if (settings_->server->service != smtp::Service::submissions) {  // whose clients read TLS
    const std::string line = reply.to_line();
    stream.try_write(line);  // a fresh connection takes a line; if not, closing says enough
  }
  stream.close();
  if (!log::enabled(log::Level::info)) return;
  if (!trusted && !worker_.stranger_lines.allow(worker_.loop.now())) return;
  const std::string client = stream.peer().to_string();
  log::info("turned_away", {{"client", client}, {"code", reply.code}, {"reason", reply.text}});
}

// ---- the end
// --------------------------------------------------------------------------------------------------

event::Task<Expected<void>> Acceptor::all_gone() {
  co_await scope_.join();
  co_return Expected<void>();
}

event::Task<void> Acceptor::drain(Duration grace) {
  draining_ = true;
  listeners_.clear();
  for (Connection* connection : open_) connection->session.drain();
  const auto gone = co_await event::within(worker_.loop, grace, all_gone());
  if (gone) co_return;
  cut("still open after the grace period");
}

void Acceptor::cut(std::string_view reason) {
  if (!open_.empty()) log::warning("sessions_cut", {{"count", open_.size()}, {"reason", reason}});
  scope_.cancel();  // with those who wait for a PROXY header, and are in no session yet
}

}  // namespace sealpost::intake
