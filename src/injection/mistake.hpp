// SPDX-License-Identifier: Apache-2.0
//
// Why a message that was brought by HTTP is not taken, for who brought it.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace sealpost::injection {

struct RefusedRecipient {
  RefusedRecipient(std::string address_, std::string why_)
      : address(std::move(address_)), why(std::move(why_)) {}
  std::string address;
  std::string why;
};

struct Mistake {
  Mistake(int status_, std::string at_, std::string what_, std::string remedy_ = {})
      : status(status_), at(std::move(at_)), what(std::move(what_)), remedy(std::move(remedy_)) {}
  int status;  // of HTTP
  std::string
      at;  // where: a JSON pointer (RFC 6901), "?name" of a query, or the name of a header field; "": nowhere
  std::string what;                       // without what the client sent, but printable pieces of it
  std::string remedy;                     // may be empty
  std::string smtp;                       // "550 5.7.1": how the same refusal reads in SMTP; may be empty
  std::vector<RefusedRecipient> refused;  // recipients: none of the others has it either
  unsigned retry_after = 0;               // seconds; 0: not said
};

}  // namespace sealpost::injection
