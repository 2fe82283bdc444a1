// SPDX-License-Identifier: Apache-2.0
#include "event/stream.hpp"

namespace sealpost::event {

StreamWait::StreamWait(Stream& stream, Interest interest, Duration limit) noexcept
    : Waiter(stream.loop()),
      Timer(stream.loop(),
            [](Timer& timer) noexcept {
              auto& self = static_cast<StreamWait&>(timer);
              self.stream_.disarm(self.interest_, self);
              self.armed_ = false;
              self.expired_ = true;
              self.handle_.resume();
            }),
      stream_(stream),
      interest_(interest),
      limit_(limit) {}

StreamWait::~StreamWait() {
  if (armed_) stream_.disarm(interest_, *this);
}

bool StreamWait::await_suspend(std::coroutine_handle<> handle) noexcept {
  handle_ = handle;
  if (!stream_.arm(interest_, *this)) return false;
  armed_ = true;
  arm(deadline(Waiter::loop().now(), limit_));
  return true;
}

void StreamWait::complete() noexcept {
  armed_ = false;
  disarm();
  wake();
}

}  // namespace sealpost::event
