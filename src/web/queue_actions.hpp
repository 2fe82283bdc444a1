// SPDX-License-Identifier: Apache-2.0
//
// What can be done to mail of the queue from a page: said, counted, shown, confirmed, and only then done (ADR 33).
#pragma once

#include "web/kit.hpp"

namespace sealpost::web {

// The form: which verb, and why. For all that `filter` means.
void put_actions(Html& html, const Call& call, const Json& filter);
// A form of that kind, or the confirmation of one.
event::Task<Reply> act_on_queue(const Call& call);

}  // namespace sealpost::web
