// SPDX-License-Identifier: Apache-2.0
//
// ReportMessage: a message to an own address for TLS reports, between 354 and its 250. It is held in memory, within a
// bound of its own and the desk's room for all of them (T-28), and handed to the desk whole; it never sees the spool.
#pragma once

#include <string>

#include "intake/client_handler.hpp"
#include "intake/report_desk.hpp"
#include "smtp/server_handler.hpp"

namespace sealpost::intake {

class ReportMessage final : public smtp::IncomingMessage {
 public:
  ReportMessage(Worker& worker, const smtp::SessionInfo& session, const Envelope& envelope);

  std::string& buffer() noexcept override { return mail_.octets; }
  Progress appended() override;
  event::Task<Progress> settle() override;
  smtp::ServerReply refusal() const noexcept override { return refusal_; }
  event::Task<Expected<MessageId, smtp::ServerReply>> finish(bool eight_bit) override;

 private:
  Worker& worker_;
  MessageId id_;
  ReportMail mail_;
  BodyBudget::Lease lease_;
  smtp::ServerReply refusal_;
};

}  // namespace sealpost::intake
