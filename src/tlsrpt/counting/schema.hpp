// SPDX-License-Identifier: Apache-2.0
//
// The tables of tlsrpt.db, their version, and the way from an older one (D-26). docs/tlsrpt-database.md explains every
// column; the views are what others may query.
#pragma once

#include <string>

#include "sqlite/database.hpp"

namespace sealpost::tlsrpt {

// How tlsrpt.db at `path` is opened. An older one is brought to the newest schema: a verified copy of it beside it first
// (`path`.v2), then one transaction; Errc::unavailable: the copy could not be written, nothing was touched. Of a damaged
// one, counts and report jobs that can still be read are taken over (salvage.cpp).
sqlite::Settings schema_settings(const std::string& path);

// What of the damaged database `aside` can still be read goes into `fresh`; in words, what that was.
std::string salvage(const std::string& aside, sqlite::Database& fresh);

}  // namespace sealpost::tlsrpt
