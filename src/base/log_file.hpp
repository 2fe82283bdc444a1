// SPDX-License-Identifier: Apache-2.0
//
// The file a log is written to. Opened in a way that neither waits nor spoils what is not a log: directories, block
// devices, links and files that hold something else are refused.
#pragma once

#include <string>

#include "base/handles.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::log {

// Why this is no place for a log, said without opening or making it, and what to do; empty: nothing speaks against it.
std::string log_file_objection(const std::string& path);
// For appending; made with mode 0640 when absent. A FIFO needs a reader. The error says what and what to do.
Expected<FileDescriptor> open_log_file(const std::string& path);

}  // namespace sealpost::log
