// SPDX-License-Identifier: Apache-2.0
//
// The partner file that comes of an import: where it is from, what to review, and every remark at its place. Pure.
#pragma once

#include <string>

#include "importing/import.hpp"

namespace sealpost::importing {

struct Origin {
  Format format = Format::csv;
  std::string file, sha256;  // of its octets
  SystemTime when{};
};

// Reads back without an error when there is a rule in it.
std::string partner_file(const Import& import, const Origin& origin);

// "line 12: [mx.noord.example]:25: left out: ...; write the rule by hand"
std::string in_words(const Remark& remark);

}  // namespace sealpost::importing
