// SPDX-License-Identifier: Apache-2.0
//
// Acceptor: the sessions of one listener on one worker's loop. Connections come from a listening socket
// shared with the other workers (SO_REUSEPORT), or from a simulated network through serve().
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "event/listener.hpp"
#include "event/stream.hpp"
#include "event/wait.hpp"
#include "intake/client_handler.hpp"
#include "intake/settings.hpp"

namespace sealpost::intake {

class Acceptor {
 public:
  // What `services` refers to must outlive it.
  Acceptor(event::Loop& loop, const Services& services, SettingsPtr settings);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // Takes a socket made by event::listen_on() or inherited, and accepts from the loop's next turn on. May be
  // called again for further sockets.
  Expected<void> listen(event::EventLoop& loop, FileDescriptor socket);

  // Begins a session, or turns the client away with 421 when it would pass a cap (T-27). A client that may relay gets its
  // place from a stranger when there is no other. A proxy's connection begins with its header (introduction.hpp), and is
  // the session of the client it names; of one without a proper header nothing is heard.
  void serve(std::unique_ptr<event::Stream> stream);

  // For sessions from now on.
  void set_settings(SettingsPtr settings) { settings_ = std::move(settings); }

  // Stops listening and turns away who still comes. Sessions without a transaction get 421 at once, the
  // others when theirs ends; what is open after `grace` is cut. Returns when no session is left (D-28).
  event::Task<void> drain(Duration grace);
  void cut(std::string_view reason);  // the sessions that are left, at once; drain() then returns

  std::size_t sessions() const noexcept { return open_.size(); }

 private:
  struct Connection;
  // Into a place it has already, or one of the client's kind.
  void admit(std::unique_ptr<event::Stream> stream, bool named, ConnectionLimits::Slot slot);
  event::Task<void> meet(std::unique_ptr<event::Stream> stream, ConnectionLimits::Slot slot);
  void make_room();
  void note_stress();
  event::Task<void> converse(std::unique_ptr<Connection> connection);
  void turn_away(event::Stream& stream, bool trusted, const smtp::ServerReply& reply);
  event::Task<Expected<void>> all_gone();

  Worker worker_;
  SettingsPtr settings_;
  std::vector<Connection*> open_;
  bool draining_ = false;
  bool stressed_ = false;   // as it was when the last client came
  event::TaskScope scope_;  // the sessions
  std::vector<std::unique_ptr<event::Listener>> listeners_;
};

}  // namespace sealpost::intake
