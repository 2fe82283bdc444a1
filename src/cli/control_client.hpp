// SPDX-License-Identifier: Apache-2.0
//
// Asking the running relay over its control socket. Commands never open its databases.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "sealpost/expected.hpp"

namespace sealpost::cli {

using Json = nlohmann::json;

struct ControlError {
  // sysexits: 78 no socket is known, 69 no relay answers, 77 its socket is closed to who asks, 65 it refused the arguments,
  // 66 not found, 75 try again
  int exit_code;
  std::string message;
  std::string remedy;
};
// As programs are told of it: {"error", "remedy", "exit_code"}.
Json to_json(const ControlError& error);

// The answer of `name`, or why there is none. `socket` empty: it is not known (CommandLine::socket_path).
Expected<Json, ControlError> ask_relay(const std::string& socket, const std::string& name,
                                       const Json& arguments);

}  // namespace sealpost::cli
