// SPDX-License-Identifier: Apache-2.0
//
// A SQLite VFS that fails on command, over the system's: every call on a file is counted, and from the n-th on (or the
// n-th alone) it gives a result of the test's choice.
#pragma once

namespace sealpost::sqlite::test {

struct FailingVfs {
  // Registered on first use; its name for sqlite3_open_v2. One thread.
  static const char* name();

  static void clear();
  // Calls from the `nth` on, counted from now and from 1, give `result`; `once`: that call alone.
  static void fail_from(int nth, int result, bool once = false);
  static int calls();  // since then
  // Reads give octets of nonsense instead of an error: what SQLite itself finds damaged.
  static void spoil_reads(bool on);
};

}  // namespace sealpost::sqlite::test
