// SPDX-License-Identifier: Apache-2.0
//
// The filter of a `queue` command, from the JSON of its arguments: {"filter": {"id": [..], "sender": "..", ...}}. What is not
// known, is empty or has another shape is an error, never passed over: a filter that is less narrow than it was meant
// ends mail that nobody meant.
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
