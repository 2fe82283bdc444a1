// SPDX-License-Identifier: Apache-2.0
#include "intake/storing.hpp"

#include "base/log.hpp"

namespace sealpost::intake {

void note_trouble(Worker& worker, const MessageId& id, const Error& error) {
  worker.services.counters.storage_errors.fetch_add(1, std::memory_order_relaxed);
  if (!worker.trouble_lines.allow(worker.loop.now())) return;
  const std::string text = id.to_string();
  log::error("store_failed", {{"id", text}, {"error", name_of(error.code)}, {"reason", error.detail}});
}

}  // namespace sealpost::intake
