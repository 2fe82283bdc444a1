// SPDX-License-Identifier: Apache-2.0
//
// What a result of SQLite means for the file: only CORRUPT and NOTADB say that it is damaged. Everything else is a
// shortage that passes (a full disk, somebody's lock) or a file that must be opened again, and nothing is renamed,
// removed or begun anew for it (D-23).
#pragma once

#include <cstdint>
#include <string>

#include "sealpost/error.hpp"

namespace sealpost::sqlite {

enum class Trouble : std::uint8_t {
  none,
  refused,  // the statement is at fault, or a trigger or constraint of somebody's: the file and its handle are well
  waits,   // a lock, a full disk, no memory: the same handle works again when that is over
  reopen,  // an I/O error, a file or directory that cannot be used: the handle is not believed any more
  damage,  // the file is not a database, or not a sound one
};
// Of a primary or extended result code.
Trouble trouble_of(int result) noexcept;
Errc code_of(Trouble trouble, int result) noexcept;
// What an operator can do about it.
std::string remedy(int result, const std::string& path);

}  // namespace sealpost::sqlite
