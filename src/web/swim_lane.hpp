// SPDX-License-Identifier: Apache-2.0
//
// What happened to a message, as a picture: a lane for each host, time from left to right.
#pragma once

#include "web/kit.hpp"

namespace sealpost::web {

// `lines` as log.recent answers them, the oldest first.
void put_swim_lanes(Html& html, const Json& lines);
Tone tone_of_event(const std::string& event);

}  // namespace sealpost::web
