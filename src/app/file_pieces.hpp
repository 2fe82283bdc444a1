// SPDX-License-Identifier: Apache-2.0
//
// Files of a data directory read and copied piece by piece, for backup, restore and the check of a backup.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/handles.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::app {

// Sorted. What cannot be listed is not empty: Errc::io.
Expected<std::vector<std::string>> names_in(const std::string& directory);
// A link is not followed, a pipe not waited for. Empty: errno says why.
FileDescriptor open_to_read(const std::string& path) noexcept;
// From where `fd` stands to the end; `take` may end it with an error. `path` is for errors.
Expected<void> read_through(const FileDescriptor& fd, const std::string& path,
                            const std::function<Expected<void>(std::string_view)>& take);
// Into a file of the caller's alone that is not there yet. How many octets.
Expected<std::uint64_t> copy_octets(const FileDescriptor& from, const std::string& path,
                                    const std::string& to);

}  // namespace sealpost::app
