// SPDX-License-Identifier: Apache-2.0
//
// The command line of sendmail(8), as programs have called it for forty years. Pure.
#pragma once

#include <string>
#include <vector>

#include "sealpost/clock.hpp"
#include "sealpost/expected.hpp"
#include "sealpost/requirement.hpp"

namespace sealpost::cli {

struct SendmailOptions {
  enum class Task : std::uint8_t {
    send,        // a message on standard input
    talk,        // -bs: SMTP on standard input and output
    list_queue,  // -bp, mailq
    nothing      // -bi, newaliases, -q: there is nothing to do for them here
  };
  Task task = Task::send;
  std::vector<std::string> recipients;
  bool recipients_in_header = false;  // -t
  bool dot_ends = true;               // -i, -oi: it does not
  bool verbose = false;               // -v
  bool has_sender = false;            // -f, -r; "" and "<>" are the null reverse-path
  std::string sender, full_name;      // -F
  std::string notify, ret, envid;     // -N, -R, -V (RFC 3461), as given
  TlsNeed tls = TlsNeed::none;        // --tls
  std::string at;                     // --at: a time or a duration, read by release_asked()
};

// `words` without the program's name. `called` is that name without its directory: "mailq" and "newaliases" are tasks of their
// own. Errc::invalid says which option is not understood: one that is guessed at loses mail.
Expected<SendmailOptions> read_sendmail_options(const std::string& called,
                                                const std::vector<std::string>& words);

// "2026-12-24T08:00:00+01:00" or "2h30m" from now. Errc::invalid: neither, or not within what is held (mail/future_release.hpp).
Expected<SystemTime> release_asked(const std::string& text, SystemTime now);

}  // namespace sealpost::cli
