// SPDX-License-Identifier: Apache-2.0
//
// A copy of a data directory, made from outside while a relay uses it (docs/operating.md, Backup).
#pragma once

#include <cstdint>
#include <string>

#include "sealpost/expected.hpp"

namespace sealpost::app {

struct BackedUp {
  std::size_t databases = 0, files = 0;
  std::uint64_t octets = 0;
};

enum class WithMail : std::uint8_t { no, yes };

// Databases through SQLite, each as of one moment; rules in force, cached policies and the believed time as files; then, if
// wanted, the journal, oldest segment first: a message that is moved on while it is copied is in a later one, so that none is
// missing, and some are there twice, which a start tells apart (D-27). Without mail the copy has an empty spool.
//
// `target` must not be there. It appears whole, synced, with the owner of `data_dir`, or not at all. Errors name the file.
Expected<BackedUp> back_up(const std::string& data_dir, const std::string& target, WithMail with_mail);

}  // namespace sealpost::app
