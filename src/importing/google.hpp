// SPDX-License-Identifier: Apache-2.0
//
// The domains of Google Workspace's setting "Secure transport (TLS) compliance": an address list as the Admin console gives it, or
// one address or domain a line. Pure.
#pragma once

#include <string_view>

#include "importing/collector.hpp"

namespace sealpost::importing {

Expected<void> read_google(std::string_view text, const ImportOptions& options, Collector& into);

}  // namespace sealpost::importing
