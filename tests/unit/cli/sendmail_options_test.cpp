// SPDX-License-Identifier: Apache-2.0
#include "cli/sendmail_options.hpp"

#include <doctest.h>

using namespace sealpost;
using cli::SendmailOptions;
using Task = SendmailOptions::Task;
using Words = std::vector<std::string>;

TEST_CASE("sendmail is understood as it has always been called") {
  struct Row {
    Words words;
    Task task;
    Words recipients;
    bool header, dot_ends;
    std::string sender;
  };
  for (const Row& row : {
           Row{{"a@x.test", "b@x.test"}, Task::send, {"a@x.test", "b@x.test"}, false, true, ""},
           Row{{"-t"}, Task::send, {}, true, true, ""},
           Row{{"-ti"}, Task::send, {}, true, false, ""},
           Row{{"-t", "-oi"}, Task::send, {}, true, false, ""},
           Row{{"-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", "root"},
               Task::send,
               {},
               true,
               false,
               "root"},
           Row{{"-fanna@x.test", "--", "-odd@x.test"},
               Task::send,
               {"-odd@x.test"},
               false,
               true,
               "anna@x.test"},
           Row{{"-r", "anna@x.test", "b@x.test"}, Task::send, {"b@x.test"}, false, true, "anna@x.test"},
           Row{{"-f", "<>", "b@x.test"}, Task::send, {"b@x.test"}, false, true, ""},
           Row{{"-bm", "-G", "-B", "8BITMIME", "b@x.test"}, Task::send, {"b@x.test"}, false, true, ""},
           Row{{"-bs"}, Task::talk, {}, false, true, ""},
           Row{{"-bp"}, Task::list_queue, {}, false, true, ""},
           Row{{"-bi"}, Task::nothing, {}, false, true, ""},
           Row{{"-q15m"}, Task::nothing, {}, false, true, ""},
       }) {
    CAPTURE(row.words);
    const auto read = cli::read_sendmail_options("sendmail", row.words);
    REQUIRE(read);
    CHECK(read->task == row.task);
    CHECK(read->recipients == row.recipients);
    CHECK(read->recipients_in_header == row.header);
    CHECK(read->dot_ends == row.dot_ends);
    CHECK(read->sender == row.sender);
  }
}

TEST_CASE("what is not understood is named, and nothing is guessed") {
  for (const Words& words :
       {Words{"--tls"}, Words{"--tls", "none"}, Words{"--tls="}, Words{"--at"}, Words{"-bd"}, Words{"-bt"},
        Words{"-f"}, Words{"-y"}, Words{"-N", "sometimes"}, Words{"-R", "all"}, Words{"--help-me"}})
    CHECK_FALSE(cli::read_sendmail_options("sendmail", words));
  CHECK(cli::read_sendmail_options("sendmail", {"-N", "success,DELAY", "-R", "hdrs", "-V", "1"})->notify ==
        "success,DELAY");
  CHECK(cli::read_sendmail_options("mailq", {})->task == Task::list_queue);
  CHECK(cli::read_sendmail_options("newaliases", {})->task == Task::nothing);
}

TEST_CASE("TLS for one message, and when it is to be sent") {
  const auto read =
      cli::read_sendmail_options("sendmail", {"-t", "--tls=verify", "--at", "2h30m", "--", "--x@a.test"});
  REQUIRE(read);
  CHECK(read->tls == TlsNeed::verify);
  CHECK(read->recipients == Words{"--x@a.test"});
  const SystemTime now = *from_rfc3339("2026-12-01T12:00:00Z");
  CHECK(cli::release_asked(read->at, now).value_or(SystemTime{}) == from_rfc3339("2026-12-01T14:30:00Z"));
  CHECK(cli::release_asked("2026-12-24T08:00:00+01:00", now).value_or(SystemTime{}) ==
        from_rfc3339("2026-12-24T07:00:00Z"));
  for (const char* bad : {"tomorrow", "31d", "2027-12-24T08:00:00Z", "2025-12-24T08:00:00Z", "", "08:00"})
    CHECK_FALSE(cli::release_asked(bad, now));
}
