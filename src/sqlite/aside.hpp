// SPDX-License-Identifier: Apache-2.0
//
// Putting a damaged file aside (D-23): under a name that says when and that nothing had before, with the files that
// SQLite keeps beside it, so that whoever wants to can still read what is in it.
#pragma once

#include <cstdint>
#include <string>

#include "sealpost/expected.hpp"

namespace sealpost::sqlite {

enum class Parts : std::uint8_t { all, log };  // log: the companions alone

// Moves `path`, `path`-wal and `path`-shm to PATH.damaged-TIME (further ones of the same second: -2, -3, ...) and gives
// that name. Where there is no `path` itself, its companions still go. Errc::io: something could not be moved; then `path`
// is where it was.
Expected<std::string> set_aside(const std::string& path, Parts parts = Parts::all);

}  // namespace sealpost::sqlite
