// SPDX-License-Identifier: Apache-2.0
//
// What a program of this machine hands to sendmail, made a message that a relay takes (RFC 5322, RFC 6409 §8): lines end in
// CRLF, From, Date and Message-ID are added when they are missing, Bcc goes, names without a domain get one. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sealpost/clock.hpp"
#include "sealpost/expected.hpp"

namespace sealpost {

struct SubmissionFacts {
  std::string sender;     // reverse-path; "" is the null one
  std::string full_name;  // for a From field that is added; may be empty
  std::string hostname;   // the domain of names that have none
  std::string
      postmaster;  // where mail to users of this machine goes, which nobody else keeps for them; empty: user@hostname
  std::vector<std::string> recipients;  // of the command line
  bool recipients_in_header =
      false;             // also those of To, Cc and Bcc, or of Resent-To, Resent-Cc and Resent-Bcc
  bool dot_ends = true;  // a line with nothing but a dot ends the message
  SystemTime now{};
};

struct Submission {
  std::string message;                  // CRLF, header first
  std::vector<std::string> recipients;  // each once, checked
};

// Errc::invalid: no recipient, or one that is no address; says which.
Expected<Submission> make_submission(std::string_view input, const SubmissionFacts& facts);

// An address as people type it: with its domain. Errc::invalid says what is wrong.
Expected<std::string> full_address(std::string_view typed, const std::string& hostname,
                                   const std::string& postmaster);

}  // namespace sealpost
