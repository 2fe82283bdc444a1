// SPDX-License-Identifier: Apache-2.0
#include "sqlite/trouble.hpp"

#include <sqlite3.h>

#include "base/planted.hpp"

namespace sealpost::sqlite {

Trouble trouble_of(int result) noexcept {
  switch (result & 0xFF) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return Trouble::none;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return Trouble::damage;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return planted(Plant::busy_is_damage) ? Trouble::damage : Trouble::waits;
    case SQLITE_FULL: return planted(Plant::full_is_damage) ? Trouble::damage : Trouble::waits;
    case SQLITE_NOMEM:
    case SQLITE_INTERRUPT:
    case SQLITE_PROTOCOL: return Trouble::waits;
    case SQLITE_IOERR: return planted(Plant::io_is_damage) ? Trouble::damage : Trouble::reopen;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_NOLFS: return Trouble::reopen;
    default: return Trouble::refused;
  }
}

Errc code_of(Trouble trouble, int result) noexcept {
  switch (trouble) {
    case Trouble::damage: return Errc::damaged;
    case Trouble::waits: return (result & 0xFF) == SQLITE_FULL ? Errc::no_space : Errc::unavailable;
    case Trouble::none:
    case Trouble::refused:
    case Trouble::reopen: return Errc::io;
  }
  return Errc::io;
}

std::string remedy(int result, const std::string& path) {
  switch (result & 0xFF) {
    case SQLITE_FULL: return "free space on the file system of " + path;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return "end the program that holds " + path + " locked (a backup, a sqlite3 shell)";
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
      return "make " + path + " a file, and its directory one, that the relay's user may read and write";
    case SQLITE_IOERR: return "look at the disk under " + path + " (kernel log), and at its free space";
    default: return "look at " + path + " and the log";
  }
}

}  // namespace sealpost::sqlite
