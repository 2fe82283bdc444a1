// SPDX-License-Identifier: Apache-2.0
#include "spool/request.hpp"

#include <utility>

#include "spool/crc32c.hpp"
#include "spool/record_codec.hpp"

namespace sealpost::spool {

std::size_t NewRecord::octets() const noexcept {
  return padded(record_header_size + head.size() + (blob ? blob->size() : 0));
}

NewRecord make_record(const MessageId& id, Record record, std::shared_ptr<const std::string> blob) {
  NewRecord made;
  made.id = id;
  EncodedHead head = encode_head(record);
  made.head = std::move(head.octets);
  made.head_flags = head.flags;
  made.head_crc = crc32c(0, made.head);
  made.record = std::move(record);
  made.blob = std::move(blob);
  if (made.blob) made.blob_crc = crc32c(0, *made.blob);
  return made;
}

std::size_t Request::octets() const noexcept {
  std::size_t sum = 0;
  for (const NewRecord& record : group) sum += record.octets();
  return sum;
}

CommitWait::CommitWait(event::Loop& home, RequestPtr request, std::optional<Duration> limit) noexcept
    : Waiter(home),
      Timer(home, [](Timer& timer) noexcept { static_cast<CommitWait&>(timer).wake(); }),
      request_(std::move(request)),
      limit_(limit) {
  request_->wait = this;
}

CommitWait::~CommitWait() { request_->wait = nullptr; }

void CommitWait::await_suspend(std::coroutine_handle<> handle) {
  handle_ = handle;
  if (limit_) arm(Waiter::loop().now() + *limit_);
}

void CommitWait::answer() noexcept {
  answered_ = true;
  disarm();
  wake();
}

}  // namespace sealpost::spool
