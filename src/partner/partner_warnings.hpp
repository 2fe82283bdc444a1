// SPDX-License-Identifier: Apache-2.0
//
// What is allowed in a partner rule and still worth a word: due reviews, exceptions, names that DNS could choose.
// Internal to partner/partner_file.
#pragma once

#include "config/toml_reader.hpp"
#include "sealpost/partner.hpp"

namespace sealpost::app {

void warn_about(TableReader& reader, const PartnerRule& rule, SystemTime now);

}  // namespace sealpost::app
