// SPDX-License-Identifier: Apache-2.0
#include "intake/introduction.hpp"

#include <array>
#include <string>

namespace sealpost::intake {
namespace {

// The proxy's connection under the client's name.
class ProxiedStream final : public event::Stream {
 public:
  ProxiedStream(std::unique_ptr<event::Stream> lower, const ProxiedClient& client)
      : Stream(lower->loop()), lower_(std::move(lower)), client_(client) {}

  event::IoResult try_read(std::span<char> into) noexcept override { return lower_->try_read(into); }
  event::IoResult try_write(std::string_view bytes) noexcept override { return lower_->try_write(bytes); }
  Error error() const override { return lower_->error(); }
  Endpoint peer() const override { return client_.peer; }
  Endpoint local() const override { return client_.local; }
  int descriptor() const noexcept override { return lower_->descriptor(); }
  void drained(event::Interest interest) noexcept override { lower_->drained(interest); }
  void close() noexcept override { lower_->close(); }
  bool may_progress(event::Interest interest) const noexcept override {
    return lower_->may_progress(interest);
  }

 protected:
  bool arm(event::Interest interest, event::StreamWait& waiter) noexcept override {
    return arm_below(*lower_, interest, waiter);
  }
  void disarm(event::Interest interest, event::StreamWait& waiter) noexcept override {
    disarm_below(*lower_, interest, waiter);
  }

 private:
  std::unique_ptr<event::Stream> lower_;
  ProxiedClient client_;
};

}  // namespace

event::Task<Expected<Introduced>> introduce(std::unique_ptr<event::Stream> stream, Duration limit) {
  event::Loop& loop = stream->loop();
  const SteadyTime end = event::deadline(loop.now(), limit);
  std::array<char, proxy_header_cap> octets;
  std::size_t have = 0;
  event::Interest want = event::Interest::read;
  for (;;) {
    auto header = read_proxy_header({octets.data(), have});
    if (!header) co_return std::move(header).error();
    if (header->wanted == 0) {
      Introduced introduced;
      introduced.named = header->client.has_value();
      if (header->client) {
        introduced.stream = std::make_unique<ProxiedStream>(std::move(stream), *header->client);
      } else {
        introduced.stream = std::move(stream);
      }
      co_return introduced;
    }
    const event::IoResult got = stream->try_read(std::span(octets).subspan(have, header->wanted));
    want = got.want;
    if (got.state == event::IoState::done) have += got.bytes;
    if (got.state == event::IoState::closed) co_return Error(Errc::closed, "connection closed by peer");
    if (got.state == event::IoState::failed) co_return stream->error();
    if (got.state == event::IoState::would_block) {
      const bool ready = co_await stream->wait(want, end - loop.now());
      if (!ready) co_return Error(Errc::timed_out, "no header of the PROXY protocol in time");
    }
  }
}

}  // namespace sealpost::intake
