// SPDX-License-Identifier: Apache-2.0
//
// Introduction: reads the PROXY header from a proxy's connection, and gives a stream whose peer is the client that the
// proxy speaks for. Not an octet behind the header is taken.
#pragma once

#include <memory>

#include "event/stream.hpp"
#include "intake/proxy_header.hpp"

namespace sealpost::intake {

struct Introduced {
  std::unique_ptr<event::Stream> stream;
  bool named = false;  // the proxy named the client; else the peer is the proxy, who speaks for nobody
};
// Errc::invalid: no header; timed_out: none within `limit`, all of it; closed; or what the stream failed with.
event::Task<Expected<Introduced>> introduce(std::unique_ptr<event::Stream> stream, Duration limit);

}  // namespace sealpost::intake
