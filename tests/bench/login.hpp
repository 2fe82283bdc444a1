// SPDX-License-Identifier: Apache-2.0
//
// How the load source logs in: PLAIN (RFC 4616) and SCRAM-SHA-256 (RFC 5802, RFC 7677). What the server proves in turn is not
// looked at; a load tool judges nobody. What is slow by design is computed once and kept, or the tool would be what is measured.

#pragma once

#include <map>
#include <string>
#include <string_view>

namespace bench {

std::string to_base64(std::string_view bytes);

// The argument of AUTH PLAIN.
std::string plain_login(const std::string& user, const std::string& password);

// A password salted, by salt and rounds; for one thread.
class SaltedPassword {
 public:
  explicit SaltedPassword(std::string password) : password_(std::move(password)) {}
  const std::string& of(const std::string& salt, unsigned rounds);

 private:
  std::string password_;
  std::map<std::string, std::string> known_;
};

class ScramLogin {
 public:
  // The argument of AUTH SCRAM-SHA-256.
  std::string begin(const std::string& user, unsigned long nonce);
  // What to say to the first 334; empty: it is no challenge.
  std::string answer(std::string_view challenge, SaltedPassword& password) const;

 private:
  std::string bare_;
};

}  // namespace bench
