// SPDX-License-Identifier: Apache-2.0
//
// SQLite maps the index of a write-ahead log (-shm) into memory, because others may read a database beside the relay. Who
// cuts that file short meanwhile takes the pages away, and the next look at them is SIGBUS: the end of a relay over a
// database that it could do without (T-55). With the guard the pages are zeros from then on, which SQLite takes for an index
// that must be made anew, and lost_mappings() grows: what was just read, or is about to be committed, is not to be believed,
// and the database is opened again.
#pragma once

#include <cstdint>

namespace sealpost::sqlite {

// Takes over SIGBUS, once; for any address but those of a mapped -shm file it stays what it was.
void guard_mappings() noexcept;
std::uint64_t lost_mappings() noexcept;  // in the whole process

}  // namespace sealpost::sqlite
