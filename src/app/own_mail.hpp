// SPDX-License-Identifier: Apache-2.0
//
// Mail that the relay writes itself, put into its own queue like any other.
#pragma once

#include <string>

#include "mail/envelope.hpp"
#include "queue/dispatcher.hpp"
#include "spool/spool.hpp"
#include "tlsrpt/sending/sender.hpp"

namespace sealpost::app {

class OwnMail final : public tlsrpt::Outbox {
 public:
  // Of `kind`, seen in the queue as received from `name`. Lives on `loop`; all that is passed outlives it.
  OwnMail(event::Loop& loop, spool::Spool& spool, queue::Dispatcher& dispatcher, MessageClass kind,
          std::string name)
      : loop_(loop), spool_(spool), dispatcher_(dispatcher), kind_(kind), name_(std::move(name)) {}

  // The queue id, once the message is durable.
  event::Task<Expected<std::string>> queue(std::string from, std::string to, std::string text) override;

 private:
  event::Loop& loop_;
  spool::Spool& spool_;
  queue::Dispatcher& dispatcher_;
  MessageClass kind_;
  std::string name_;
};

}  // namespace sealpost::app
