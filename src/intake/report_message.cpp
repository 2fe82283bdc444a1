// SPDX-License-Identifier: Apache-2.0
#include "intake/report_message.hpp"

#include "intake/report_desk.hpp"
#include "intake/storing.hpp"

namespace sealpost::intake {
namespace {

constexpr std::size_t most_octets = std::size_t{10} << 20;  // as of a file that is read by hand
constexpr std::size_t report_lease_step = 64 * 1024;

constexpr smtp::ServerReply too_large{552, "5.3.4", "a report has 10 MiB at most"};
constexpr smtp::ServerReply too_much{552, "5.3.4", "more in it than is taken of one mail, split it"};
constexpr smtp::ServerReply not_kept{451, "4.3.0", "report could not be stored, try again later"};
constexpr smtp::ServerReply no_report{550, "5.6.0",
                                      "no TLS report (RFC 8460) in it, and nobody reads other mail here"};

// Of what the desk could not take.
smtp::ServerReply reply_to(const Error& error) noexcept {
  switch (error.code) {
    case Errc::invalid: return no_report;
    case Errc::too_long: return too_much;
    case Errc::no_space: return no_space;
    default: return not_kept;
  }
}

}  // namespace

ReportMessage::ReportMessage(Worker& worker, const smtp::SessionInfo& session, const Envelope& envelope)
    : worker_(worker), id_(MessageId::make(worker.loop.date())), lease_(worker.services.reports->room()) {
  mail_.id = id_.to_string();
  mail_.client = session.peer.address.to_string();
  mail_.sender = envelope.reverse_path;
  mail_.encrypted = session.tls != nullptr;
}

smtp::IncomingMessage::Progress ReportMessage::appended() {
  if (mail_.octets.size() > most_octets) {
    refusal_ = too_large;
    return Progress::refused;
  }
  return lease_.grow_to(up_to_step(mail_.octets.size(), report_lease_step)) ? Progress::go_on
                                                                            : Progress::settle;
}

event::Task<smtp::IncomingMessage::Progress> ReportMessage::settle() {
  const bool got =
      co_await lease_.wait_for(worker_.loop, up_to_step(mail_.octets.size(), report_lease_step), memory_wait);
  if (!got) refusal_ = no_memory;
  co_return got ? Progress::go_on : Progress::refused;
}

event::Task<Expected<MessageId, smtp::ServerReply>> ReportMessage::finish(bool) {
  Counters& counters = worker_.services.counters;
  const Expected<void> taken = co_await worker_.services.reports->take(worker_.loop, std::move(mail_));
  if (taken) {
    counters.reports.fetch_add(1, std::memory_order_relaxed);
    co_return id_;
  }
  const smtp::ServerReply reply = reply_to(taken.error());
  if (reply.code < 500) note_trouble(worker_, id_, taken.error());
  co_return reply;
}

}  // namespace sealpost::intake
