// SPDX-License-Identifier: Apache-2.0
#include "app/report_desk.hpp"

#include "base/log.hpp"
#include "base/text.hpp"
#include "tlsrpt/received/received_aside.hpp"

namespace sealpost::app {
namespace {

using tlsrpt::TakenPiece;

// Whose word it is: nobody's but the client's (T-46).
std::string authority_of(const intake::ReportMail& mail) {
  return "came by mail from <" + text::printable(mail.sender, 254) + "> through " + mail.client +
         (mail.encrypted ? " (encrypted)" : " (in clear)") + "; no signature was verified";
}

Expected<void> take_mail(tlsrpt::Store& store, const intake::ReportMail& mail, SystemTime now,
                         tlsrpt::StrangersRoom& room) {
  const std::vector<std::string> notes{authority_of(mail)};
  const std::string file = std::string(tlsrpt::mail_file) + mail.id;
  const auto pieces = tlsrpt::take_reports(store, mail.octets, file, notes, now, &room);
  if (!pieces) return pieces.error();
  std::size_t taken = 0, known = 0, kept = 0, not_kept = 0;
  std::string why;  // of the first that was refused: one line a mail, however many reports are in it
  for (const TakenPiece& piece : *pieces) {
    const bool refused = piece.state == TakenPiece::State::refused;
    taken += piece.state == TakenPiece::State::taken ? 1U : 0U;
    known += piece.state == TakenPiece::State::known ? 1U : 0U;
    kept += refused && piece.aside != 0 ? 1U : 0U;
    not_kept += refused && piece.aside == 0 ? 1U : 0U;
    if (refused && why.empty()) why = (piece.piece.empty() ? "" : piece.piece + ": ") + piece.why;
  }
  log::info("report_mail", {{"id", mail.id},
                            {"client", mail.client},
                            {"from", mail.sender},
                            {"taken", taken},
                            {"known", known},
                            {"kept_aside", kept},
                            {"not_kept", not_kept},
                            {"why", why}});
  if (not_kept > 0) return Error(Errc::too_long, why);
  return {};
}

}  // namespace

// On the database's thread: unpacking and parsing are bounded, and keep no loop waiting there.
event::Task<Expected<void>> ReportDesk::take(event::Loop& home, intake::ReportMail mail) {
  const SystemTime now = home.date();
  std::function<Expected<void>(tlsrpt::Store&)> work = [mail = std::move(mail), now,
                                                        room = strangers_](tlsrpt::Store& store) {
    return take_mail(store, mail, now, *room);
  };
  Expected<void> done = co_await store_.tell(home, std::move(work));
  co_return done;
}

}  // namespace sealpost::app
