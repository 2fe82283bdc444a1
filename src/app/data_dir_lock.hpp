// SPDX-License-Identifier: Apache-2.0
//
// Who may rely on the names in a data directory, and who may move them: flock(2) on the directory itself. Shared by all who
// use what is in it: a relay for its whole life, a backup, commands that write without one. Alone for a restore, so that
// neither begins while the other is at work, whether there is a spool to lock or not (D-21). Released when it dies, or its process.
#pragma once

#include <string>

#include "base/handles.hpp"
#include "sealpost/clock.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::app {

enum class NamesAre : std::uint8_t { used, moved };

// Blocks for `patience` at most. Errc::exists: who has it, and what to do.
Expected<FileDescriptor> lock_data_dir(const std::string& data_dir, NamesAre names, Duration patience = {});

}  // namespace sealpost::app
