// SPDX-License-Identifier: Apache-2.0
#include "failing_vfs.hpp"

#include <sqlite3.h>

#include <cstring>

namespace sealpost::sqlite::test {
namespace {

struct State {
  int calls = 0, from = 0, result = SQLITE_OK;
  bool once = false, spoil = false;
};
State state;

sqlite3_vfs* system_vfs() {
  static sqlite3_vfs* const own = sqlite3_vfs_find(nullptr);  // ours may be made the default later
  return own;
}

int fail() {
  ++state.calls;
  const bool hit = state.from > 0 && (state.once ? state.calls == state.from : state.calls >= state.from);
  return hit ? state.result : SQLITE_OK;
}

// The system's file stands behind this one in the same memory.
struct File {
  sqlite3_file base;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
File* of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
const sqlite3_io_methods* real(sqlite3_file* file) { return of(file)->real()->pMethods; }

int close(sqlite3_file* file) { return real(file)->xClose(of(file)->real()); }
int read(sqlite3_file* file, void* to, int count, sqlite3_int64 at) {
  if (const int failed = fail(); failed != SQLITE_OK) return failed;
  const int done = real(file)->xRead(of(file)->real(), to, count, at);
  if (state.spoil) std::memset(to, 'x', static_cast<std::size_t>(count));
  return done;
}
int write(sqlite3_file* file, const void* from, int count, sqlite3_int64 at) {
  if (const int failed = fail(); failed != SQLITE_OK) return failed;
  return real(file)->xWrite(of(file)->real(), from, count, at);
}
int truncate(sqlite3_file* file, sqlite3_int64 size) {
  if (const int failed = fail(); failed != SQLITE_OK) return failed;
  return real(file)->xTruncate(of(file)->real(), size);
}
int sync(sqlite3_file* file, int flags) {
  if (const int failed = fail(); failed != SQLITE_OK) return failed;
  return real(file)->xSync(of(file)->real(), flags);
}
int size(sqlite3_file* file, sqlite3_int64* to) { return real(file)->xFileSize(of(file)->real(), to); }
int lock(sqlite3_file* file, int level) {
  if (const int failed = fail(); failed != SQLITE_OK) return failed;
  return real(file)->xLock(of(file)->real(), level);
}
int unlock(sqlite3_file* file, int level) { return real(file)->xUnlock(of(file)->real(), level); }
int reserved(sqlite3_file* file, int* to) { return real(file)->xCheckReservedLock(of(file)->real(), to); }
int control(sqlite3_file* file, int what, void* with) {
  return real(file)->xFileControl(of(file)->real(), what, with);
}
int sector(sqlite3_file* file) { return real(file)->xSectorSize(of(file)->real()); }
int traits(sqlite3_file* file) { return real(file)->xDeviceCharacteristics(of(file)->real()); }
int shm_map(sqlite3_file* file, int page, int count, int extend, void volatile** to) {
  // READONLY from here means to SQLite that the map is there and may only be read.
  if (const int failed = fail(); failed != SQLITE_OK)
    return failed == SQLITE_READONLY ? SQLITE_IOERR_SHMMAP : failed;
  return real(file)->xShmMap(of(file)->real(), page, count, extend, to);
}
int shm_lock(sqlite3_file* file, int from, int count, int flags) {
  // A lock that is held for a moment is waited for by SQLite itself, for seconds.
  const bool busy = (state.result & 0xFF) == SQLITE_BUSY || (state.result & 0xFF) == SQLITE_LOCKED;
  const bool locks = (flags & SQLITE_SHM_LOCK) != 0 && !busy;
  if (const int failed = locks ? fail() : SQLITE_OK; failed != SQLITE_OK) return failed;
  return real(file)->xShmLock(of(file)->real(), from, count, flags);
}
void shm_barrier(sqlite3_file* file) { real(file)->xShmBarrier(of(file)->real()); }
int shm_unmap(sqlite3_file* file, int remove) { return real(file)->xShmUnmap(of(file)->real(), remove); }

const sqlite3_io_methods methods = {2,        close,       read,      write,   truncate, sync,   size,
                                    lock,     unlock,      reserved,  control, sector,   traits, shm_map,
                                    shm_lock, shm_barrier, shm_unmap, nullptr, nullptr};

int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
  file->pMethods = nullptr;
  if (const int failed = fail(); failed != SQLITE_OK) return failed;
  std::memset(of(file)->real(), 0, static_cast<std::size_t>(system_vfs()->szOsFile));
  const int done = system_vfs()->xOpen(system_vfs(), name, of(file)->real(), flags, out);
  if (of(file)->real()->pMethods != nullptr) file->pMethods = &methods;
  return done;
}
int remove(sqlite3_vfs*, const char* name, int sync_directory) {
  if (const int failed = fail(); failed != SQLITE_OK) return failed;
  return system_vfs()->xDelete(system_vfs(), name, sync_directory);
}

}  // namespace

const char* FailingVfs::name() {
  static sqlite3_vfs vfs = [] {
    sqlite3_vfs made = *system_vfs();
    made.szOsFile += static_cast<int>(sizeof(File));
    made.zName = "failing";
    made.pNext = nullptr;
    made.xOpen = open;
    made.xDelete = remove;
    return made;
  }();
  static const int registered = sqlite3_vfs_register(&vfs, 0);
  (void)registered;
  return vfs.zName;
}

void FailingVfs::clear() { state = State(); }
void FailingVfs::fail_from(int nth, int result, bool once) {
  clear();
  state.from = nth;
  state.result = result;
  state.once = once;
}
int FailingVfs::calls() { return state.calls; }
void FailingVfs::spoil_reads(bool on) { state.spoil = on; }

}  // namespace sealpost::sqlite::test
