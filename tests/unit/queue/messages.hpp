// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "spool/stored_message.hpp"

namespace sealpost::queue::test {

inline spool::StoredMessagePtr message_to(std::vector<std::string> recipients, SystemTime now) {
  auto message = std::make_shared<spool::StoredMessage>();
  message->id = MessageId::make(now);
  message->envelope.reverse_path = "sender@here.example";
  message->envelope.arrival = now;
  for (auto& address : recipients) {
    message->envelope.recipients.emplace_back(std::move(address));
    message->progress.emplace_back();
  }
  return message;
}

}  // namespace sealpost::queue::test
