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

std::string authority_of(const PostedReport& report) {
  return (report.encrypted ? "came by HTTPS from " : "came by HTTP (through a proxy) from ") + report.client +
         "; nobody verified whose it is";
}

// What became of all that was in one mail or one request.
struct Sum {
  std::size_t taken = 0, known = 0, kept = 0, not_kept = 0;
  std::string why;  // of the first that was refused: one line for all, however many reports are in it
  Expected<void> outcome() const {
    if (not_kept > 0) return Error(Errc::too_long, why);
    return {};
  }
};

Sum sum_of(const std::vector<TakenPiece>& pieces) {
  Sum sum;
  for (const TakenPiece& piece : pieces) {
    const bool refused = piece.state == TakenPiece::State::refused;
    sum.taken += piece.state == TakenPiece::State::taken ? 1U : 0U;
    sum.known += piece.state == TakenPiece::State::known ? 1U : 0U;
    sum.kept += refused && piece.aside != 0 ? 1U : 0U;
    sum.not_kept += refused && piece.aside == 0 ? 1U : 0U;
    if (refused && sum.why.empty()) sum.why = (piece.piece.empty() ? "" : piece.piece + ": ") + piece.why;
  }
  return sum;
}

Expected<void> take_mail(tlsrpt::Store& store, const intake::ReportMail& mail, SystemTime now,
                         tlsrpt::StrangersRoom& room) {
  const std::vector<std::string> notes{authority_of(mail)};
  const std::string file = std::string(tlsrpt::mail_file) + mail.id;
  const auto pieces = tlsrpt::take_reports(store, mail.octets, file, notes, now, &room);
  if (!pieces) return pieces.error();
  const Sum sum = sum_of(*pieces);
  log::info("report_mail", {{"id", mail.id},
                            {"client", mail.client},
                            {"from", mail.sender},
                            {"taken", sum.taken},
                            {"known", sum.known},
                            {"kept_aside", sum.kept},
                            {"not_kept", sum.not_kept},
                            {"why", sum.why}});
  return sum.outcome();
}

Expected<void> take_post(tlsrpt::Store& store, const PostedReport& report, SystemTime now,
                         tlsrpt::StrangersRoom& room) {
  const std::vector<std::string> notes{authority_of(report)};
  const std::string file = std::string(tlsrpt::posted_file) + report.id;
  const auto pieces = tlsrpt::take_reports(store, report.octets, file, notes, now, &room);
  if (!pieces) return pieces.error();
  const Sum sum = sum_of(*pieces);
  log::info("report_post", {{"id", report.id},
                            {"client", report.client},
                            {"tls", report.encrypted ? "yes" : "no"},
                            {"taken", sum.taken},
                            {"known", sum.known},
                            {"kept_aside", sum.kept},
                            {"not_kept", sum.not_kept},
                            {"why", sum.why}});
  return sum.outcome();
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

event::Task<Expected<void>> ReportDesk::take_posted(event::Loop& home, PostedReport report) {
  const SystemTime now = home.date();
  std::function<Expected<void>(tlsrpt::Store&)> work = [report = std::move(report), now,
                                                        room = strangers_](tlsrpt::Store& store) {
    return take_post(store, report, now, *room);
  };
  Expected<void> done = co_await store_.tell(home, std::move(work));
  co_return done;
}

}  // namespace sealpost::app
