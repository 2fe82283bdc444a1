// SPDX-License-Identifier: Apache-2.0
#include "tls/stream_bio.hpp"

#include <new>

namespace sealpost::tls {

namespace {

BioState& state_of(BIO* bio) noexcept { return *static_cast<BioState*>(BIO_get_data(bio)); }

int read(BIO* bio, char* into, int size) noexcept {
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  BioState& state = state_of(bio);
  const event::IoResult result = state.lower.try_read({into, static_cast<std::size_t>(size)});
  switch (result.state) {
    case event::IoState::done: return static_cast<int>(result.bytes);
    case event::IoState::would_block: BIO_set_retry_read(bio); return -1;
    case event::IoState::closed: state.ended = true; return 0;
    case event::IoState::failed: break;
  }
  state.failed = true;
  return -1;
}

int write(BIO* bio, const char* bytes, int size) noexcept {
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  BioState& state = state_of(bio);
  const event::IoResult result = state.lower.try_write({bytes, static_cast<std::size_t>(size)});
  switch (result.state) {
    case event::IoState::done: return static_cast<int>(result.bytes);
    case event::IoState::would_block: BIO_set_retry_write(bio); return -1;
    case event::IoState::closed:
    case event::IoState::failed: break;
  }
  state.failed = true;
  return -1;
}

long control(BIO* bio, int command, long, void*) noexcept {
  switch (command) {
    case BIO_CTRL_FLUSH: return 1;  // nothing is kept here
    case BIO_CTRL_EOF: return state_of(bio).ended ? 1 : 0;
    default: return 0;
  }
}

struct Method {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sealpost stream");
  Method() {
    if (!method) throw std::bad_alloc();
    BIO_meth_set_read(method, read);
    BIO_meth_set_write(method, write);
    BIO_meth_set_ctrl(method, control);
  }
  Method(const Method&) = delete;
  Method& operator=(const Method&) = delete;
  ~Method() { BIO_meth_free(method); }
};

}  // namespace

BioPtr make_stream_bio(BioState& state) {
  static const Method method;
  BioPtr bio(BIO_new(method.method));
  if (!bio) throw std::bad_alloc();
  BIO_set_data(bio.get(), &state);
  BIO_set_init(bio.get(), 1);
  return bio;
}

}  // namespace sealpost::tls
