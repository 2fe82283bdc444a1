// SPDX-License-Identifier: Apache-2.0
//
// What is handed in, made a message that a relay takes (RFC 5322, RFC 6409 §8): From, Date and Message-ID are added when
// they are missing, Bcc goes; of what a program of this machine hands to sendmail also lines end in CRLF, and names
// without a domain get one. Pure.
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

// The header of a message that a client with an account sends.
struct SubmittedHeader {
  std::string text;                  // with the empty line
  std::vector<std::string> authors;  // the addresses of its From field, checked
};
// `header` with its empty line, or without one when the message has no body; of `facts` sender, hostname and now. Errc::invalid
// says what is malformed: a line that is no field, several From fields, one without an address or with what is none, or no
// From field where the reverse-path names no author either.
Expected<SubmittedHeader> submitted_header(std::string_view header, const SubmissionFacts& facts);

// An address as people type it: with its domain. Errc::invalid says what is wrong.
Expected<std::string> full_address(std::string_view typed, const std::string& hostname,
                                   const std::string& postmaster);

}  // namespace sealpost
