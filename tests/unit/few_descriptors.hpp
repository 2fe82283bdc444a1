// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <stdexcept>

namespace sealpost::test {

// Leaves this process room for so many descriptors while it lives (T-27). Descriptors are given out from the lowest
// free number on, so gaps below the highest open one are not counted as room.
class FewDescriptors {
 public:
  explicit FewDescriptors(int room) {
    const int next = ::dup(0);
    if (next < 0 || ::getrlimit(RLIMIT_NOFILE, &before_) != 0) throw std::runtime_error("no limit to set");
    ::close(next);
    rlimit few = before_;
    few.rlim_cur = static_cast<rlim_t>(next + room);
    if (::setrlimit(RLIMIT_NOFILE, &few) != 0) throw std::runtime_error("the limit cannot be set");
  }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace sealpost::test
