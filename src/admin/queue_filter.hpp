// SPDX-License-Identifier: Apache-2.0
//
// The filter of a `queue` command, from the JSON of its arguments: {"filter": {"id": [..], "sender": "..", ...}}.
#pragma once

#include "admin/control_server.hpp"
#include "queue/filter.hpp"

namespace sealpost::admin {

// What is wrong with it: where, and what would be right.
struct FilterError {
  std::string what, remedy;
};
Expected<queue::Filter, FilterError> filter_of(const Json& arguments);

}  // namespace sealpost::admin
