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
  int exit_code;  // sysexits: 78 no socket is known, 69 the relay does not answer, 65 it refused the arguments, 66 not found, 75 try
                  // again
  std::string message;
  std::string hint;
};

// The answer of `name`, or why there is none. `socket` empty: it is not known (CommandLine::socket_path).
Expected<Json, ControlError> ask_relay(const std::string& socket, const std::string& name,
                                       const Json& arguments);

}  // namespace sealpost::cli
