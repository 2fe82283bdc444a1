// SPDX-License-Identifier: Apache-2.0
//
// Recorded facts as JSON text and back (docs/evidence-database.md). Writing is canonical: equal facts give
// equal text, whose SHA-256 names them. Reading believes nothing (T-54): a member that is missing, of another
// type, out of bounds or not one of the known words makes the whole text invalid.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "history/session.hpp"

namespace sealpost::history {

// Everything but the certificate, which many sessions share.
std::string encode(const Facts& facts);
std::string encode(const CertificateFacts& certificate);

// `certificate`: what the session showed; null: none.
std::optional<Facts> decode_facts(std::string_view text, std::shared_ptr<const CertificateFacts> certificate);
std::optional<CertificateFacts> decode_certificate(std::string_view text);

// The part of a reply or an error that says the same each time: "454 4.7.0", not the ticket number behind it.
std::string stable_reply(std::string_view reply);

constexpr std::size_t most_text = 64 << 10;  // octets of one encoded text; more is not kept

}  // namespace sealpost::history
