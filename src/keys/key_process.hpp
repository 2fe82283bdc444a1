// SPDX-License-Identifier: Apache-2.0
//
// The private keys of TLS, DKIM and client certificates in a process of their own (T-53, T-62). It parses nothing that a
// peer sent: the relay passes it digests and gets signatures. Forked before the relay has threads or drops its
// privileges, it keeps the right to read the files, so that a reload can bring new keys when the relay's own user could not
// read them, and nothing else: no network, no writing, no other program. It ends with the relay.
//
//   relay's threads --- a SOCK_SEQPACKET pair each ---> a thread each in the key process
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "keys/source.hpp"

namespace sealpost::keys {

class KeyProcess final : public Source {
 public:
  // `directories`: where it may read keys (directory_of()). Call while the process has one thread.
  static Expected<std::unique_ptr<KeyProcess>> start(std::vector<std::string> directories);
  ~KeyProcess() override;  // keys it gave must be gone

  Expected<KeyPtr> load(const std::string& path, Use use) const override;
  pid_t pid() const noexcept { return pid_; }
  // Readable, at end of file, once the key process is gone: nothing can be signed any more.
  int life() const noexcept;

 private:
  class Channels;
  KeyProcess(pid_t pid, std::shared_ptr<Channels> channels) noexcept;

  pid_t pid_;
  std::shared_ptr<Channels> channels_;
};

}  // namespace sealpost::keys
