// SPDX-License-Identifier: Apache-2.0
//
// OpenSSL's words in ours: reason tokens as TLS-RPT's failure-reason-code wants them (RFC 8460 §4.3), symbols
// of verification errors, and its error queue emptied into an Error. Take the error where the call failed:
// the queue belongs to the thread, and another session uses it next.
#pragma once

#include <string>
#include <string_view>

#include "sealpost/error.hpp"

namespace sealpost::tls {

// Empties the queue. The oldest entry's reason, which is the cause of those above it, as a token:
// "tlsv1-alert-protocol-version". "unknown" when the queue was empty.
std::string take_reason();
// Empties the queue: "<what>: <reason>" in words.
Error take_error(Errc code, std::string_view what);
// "X509_V_ERR_CERT_HAS_EXPIRED"; "" for X509_V_OK.
std::string verify_symbol(int code);

}  // namespace sealpost::tls
