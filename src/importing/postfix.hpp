// SPDX-License-Identifier: Apache-2.0
//
// The source text of smtp_tls_policy_maps (hash, lmdb, cdb, texthash): postconf(5) smtp_tls_policy_maps, postmap(1). Pure.
#pragma once

#include <string_view>

#include "importing/collector.hpp"

namespace sealpost::importing {

void read_postfix(std::string_view text, Collector& into);

}  // namespace sealpost::importing
