// SPDX-License-Identifier: Apache-2.0
//
// Root at work on files of the relay's user: while it lives, files are opened and made as if that user did it. A link in a
// directory of his leads nowhere that he could not go, and what is made is his. It has no effect for others than root. Of
// this thread.
#pragma once

#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sealpost {

class AsOwner {
 public:
  explicit AsOwner(const struct stat& owner) noexcept {
    ::setfsgid(owner.st_gid);
    ::setfsuid(owner.st_uid);
  }
  AsOwner(const AsOwner&) = delete;
  AsOwner& operator=(const AsOwner&) = delete;
  ~AsOwner() {
    ::setfsuid(::geteuid());
    ::setfsgid(::getegid());
  }
};

}  // namespace sealpost
