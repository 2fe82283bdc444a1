// SPDX-License-Identifier: Apache-2.0
//
// Rules in a table of our own, a row each, a column for each key of a partner file (docs/importing.md). Pure.
#pragma once

#include <string_view>

#include "importing/collector.hpp"

namespace sealpost::importing {

Expected<void> read_own_csv(std::string_view text, const ImportOptions& options, Collector& into);

}  // namespace sealpost::importing
