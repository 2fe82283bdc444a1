// SPDX-License-Identifier: Apache-2.0
//
// The message a server session is receiving, for server_receive.cpp (DATA) and server_chunks.cpp (BDAT).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "smtp/data_decoder.hpp"
#include "smtp/server_session.hpp"

namespace sealpost::smtp {

struct ServerSession::Incoming {
  Incoming(std::unique_ptr<IncomingMessage> message_, BareNewline bare_newline, DataDecoder::Framing framing)
      : message(std::move(message_)), decoder(bare_newline, framing) {}

  void drop(const ServerReply& why) {  // forget the message, remember the first reason
    if (!refusal) refusal = why;
    message.reset();
  }
  // Where the next octets go.
  std::string& out() {
    discarded.clear();
    return message ? message->buffer() : discarded;
  }

  std::unique_ptr<IncomingMessage> message;  // null once refused
  std::optional<ServerReply> refusal;
  DataDecoder decoder;
  DataDecoder::State state = DataDecoder::State::more;
  IncomingMessage::Progress progress = IncomingMessage::Progress::go_on;
  bool utf8 = false;         // MAIL said SMTPUTF8
  std::uint64_t octets = 0;  // of content, as SIZE counts them (RFC 1870 §5)
  std::string discarded;     // where content of a refused message goes
  Duration waited{};         // for the client; our own waiting does not count against it
};

}  // namespace sealpost::smtp
