// SPDX-License-Identifier: Apache-2.0
//
// Sink: where accepted messages go once they are durable. The queue stands behind it (wired in src/app).
#pragma once

#include "spool/stored_message.hpp"

namespace sealpost::intake {

class Sink {
 public:
  virtual ~Sink() = default;
  // On the loop of the worker that received it, before the client has its 250: only take note, do not wait.
  virtual void accepted(spool::StoredMessagePtr message) = 0;
};

}  // namespace sealpost::intake
