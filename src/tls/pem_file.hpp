// SPDX-License-Identifier: Apache-2.0
//
// PEM files as configuration names them: read whole, bounded, with errors that a person can act on.
#pragma once

#include <string>

#include "sealpost/expected.hpp"
#include "tls/openssl_error.hpp"

namespace sealpost::tls {

// The file's text, at most 16 MiB.
Expected<std::string> read_pem_file(const std::string& path);
// After a loop of PEM_read_bio_*: fine when it ended because nothing more begins, else the error for `what`.
Expected<void> pem_left_over(const std::string& what);

}  // namespace sealpost::tls
