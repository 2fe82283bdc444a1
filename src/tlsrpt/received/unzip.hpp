// SPDX-License-Identifier: Apache-2.0
//
// Files out of a zip archive that a stranger sent: by its central directory, stored or deflated, in memory and within
// bounds. No archive over several disks, no zip64, nothing encrypted: a report needs none of them (ADR 30). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sealpost/expected.hpp"

namespace sealpost::tlsrpt {

struct ZipBounds {
  std::size_t files = 100;
  std::size_t octets = 10u << 20;  // of one file
  std::size_t total = 64u << 20;   // of all of them: names may point at the same data
};

struct ZippedFile {
  std::string name;              // as written; a path perhaps, never used as one
  Expected<std::string> octets;  // or why it cannot be had
};

bool is_zip(std::string_view octets) noexcept;

// All files, folders left out. Errc::invalid: it is no zip archive that can be read; Errc::too_long: a bound is passed.
Expected<std::vector<ZippedFile>> unzip(std::string_view archive, const ZipBounds& bounds = {});

}  // namespace sealpost::tlsrpt
