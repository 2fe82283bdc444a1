// SPDX-License-Identifier: Apache-2.0
#include "app/report_desk.hpp"

#include "base/log.hpp"
#include "base/text.hpp"
#include "tlsrpt/received/taking.hpp"

namespace sealpost::app {
namespace {

using tlsrpt::TakenPiece;

// Whose word it is: nobody's but the client's (T-46).
std::string authority_of(const intake::ReportMail& mail) {
  return "came by mail from <" + text::printable(mail.sender, 254) + "> through " + mail.client +
         (mail.encrypted ? " (encrypted)" : " (in clear)") + "; no signature was verified";
}

Expected<void> take_mail(tlsrpt::Store& store, const intake::ReportMail& mail, SystemTime now) {
  const std::vector<std::string> notes{authority_of(mail)};
  const auto pieces = tlsrpt::take_reports(store, mail.octets, "mail " + mail.id, notes, now);
  if (!pieces) return pieces.error();
  std::size_t taken = 0, known = 0, refused = 0;
  for (const TakenPiece& piece : *pieces) {
    taken += piece.state == TakenPiece::State::taken ? 1U : 0U;
    known += piece.state == TakenPiece::State::known ? 1U : 0U;
    refused += piece.state == TakenPiece::State::refused ? 1U : 0U;
  }
  log::info("report_mail", {{"id", mail.id},
                            {"client", mail.client},
                            {"from", mail.sender},
                            {"taken", taken},
                            {"known", known},
                            {"kept_aside", refused}});
  return {};
}

}  // namespace

// On the database's thread: unpacking and parsing are bounded, and keep no loop waiting there.
event::Task<Expected<void>> ReportDesk::take(event::Loop& home, intake::ReportMail mail) {
  const SystemTime now = home.date();
  std::function<Expected<void>(tlsrpt::Store&)> work = [mail = std::move(mail), now](tlsrpt::Store& store) {
    return take_mail(store, mail, now);
  };
  Expected<void> done = co_await store_.tell(home, std::move(work));
  co_return done;
}

}  // namespace sealpost::app
