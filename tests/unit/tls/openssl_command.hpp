// SPDX-License-Identifier: Apache-2.0
//
// What the openssl command says of a chain: an opinion that none of our code has a part in.
#pragma once

#include <ctime>
#include <string>

namespace sealpost::test {

bool have_openssl_command();

struct CommandResult {
  bool ok = false;
  std::string output;
};
// `openssl verify -purpose sslserver -auth_level 2`. PEM; `others` may be empty.
CommandResult openssl_verify(const std::string& leaf, const std::string& others, const std::string& roots,
                             std::time_t at);

}  // namespace sealpost::test
