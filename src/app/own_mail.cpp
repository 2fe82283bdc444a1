// SPDX-License-Identifier: Apache-2.0
#include "app/own_mail.hpp"

#include "mail/header.hpp"

namespace sealpost::app {

event::Task<Expected<std::string>> OwnMail::queue(std::string from, std::string to, std::string text) {
  spool::NewMessage message;
  message.id = MessageId::make(loop_.date());
  message.envelope.reverse_path = std::move(from);
  message.envelope.recipients.emplace_back(std::move(to));
  message.envelope.message_class = kind_;
  message.envelope.flags.tls_required_no = kind_ == MessageClass::report;  // RFC 8460 §3
  message.envelope.arrival = loop_.date();
  message.envelope.received_from = name_;
  message.envelope.message_id = digest_of_message_id(scan_head(text).message_id);
  message.body = std::move(text);
  auto stored = co_await spool_.store(loop_, std::move(message));
  if (!stored) co_return stored.error();
  std::string id = (*stored)->id.to_string();
  dispatcher_.accepted(*stored);
  co_return id;
}

}  // namespace sealpost::app
