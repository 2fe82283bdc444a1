// SPDX-License-Identifier: Apache-2.0
//
// A whole client session with a server that answers each of our words with what the input says (T-34): it ends, each
// recipient has one outcome, and nothing is taken for success without a 2yz to the final dot, or to the last chunk where CHUNKING is offered.
// Input: answers, separated by NUL; the first is the greeting.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/text.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "event/sim_stream.hpp"
#include "require.hpp"
#include "smtp/client_session.hpp"

namespace {

using namespace sealpost;
using namespace sealpost::smtp;

class OnePiece final : public spool::BodyReader {
 public:
  event::Task<Expected<std::string_view>> next() override {
    co_return std::exchange(piece_, std::string_view());
  }

 private:
  std::string_view piece_ = "Subject: x\r\n\r\n.body\r\n";
};

event::Task<void> answer(std::unique_ptr<event::Stream> plain, std::string input, bool& dot_seen) {
  event::LineStream stream(std::move(plain));
  std::string heard;
  for (const std::string_view words : text::split(input, '\0')) {
    stream.put(words);
    auto sent = co_await stream.flush(Duration::max());
    if (!sent) co_return;
    auto got = co_await stream.fill(Duration::max());
    if (!got || *got == 0) co_return;
    heard += stream.buffered();
    stream.consume(stream.buffered().size());
    dot_seen = dot_seen || heard.ends_with("\r\n.\r\n") || heard.find(" LAST\r\n") != std::string::npos;
  }
  stream.close();
}

event::Task<TransactionResult> dialogue(ClientSession& session, Transaction transaction, bool& opened) {
  auto extensions = co_await session.open(true);
  opened = extensions.has_value();
  TransactionResult result;
  if (!opened) co_return result;
  transaction.chunks = extensions->chunking;
  auto body = std::make_unique<OnePiece>();
  result = co_await session.transact(std::move(transaction), std::move(body));
  co_await session.quit();
  co_return result;
}

void check(const TransactionResult& result, bool dot_seen) {
  require(result.rcpt.size() == 2);
  if (result.mail) require(!result.mail->positive() && !result.final);
  const bool accepted = std::any_of(result.rcpt.begin(), result.rcpt.end(),
                                    [](const auto& reply) { return reply && reply->positive(); });
  if (result.final) require(accepted && !result.failure);
  if (result.chunks_unknown) require(!result.final && result.failure);
  if (result.final && result.final->positive()) require(dot_seen);
  for (const auto& reply : result.rcpt) {
    // Without a reply of its own, something larger has answered for it.
    require(reply || result.mail || result.failure);
    if (reply && reply->positive()) require(result.final || result.failure);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  event::SimLoop loop;
  event::SimConnection wire(loop, event::SimLink());
  auto message = std::make_shared<spool::StoredMessage>();
  message->envelope.reverse_path = "a@b.test";
  message->envelope.recipients = {Recipient("c@d.test"), Recipient("e@f.test")};
  Transaction transaction;
  transaction.message = message;
  transaction.recipients = {0, 1};
  ClientSession session(std::move(wire.client), "relay.test", ClientLimits());
  bool dot_seen = false;
  bool opened = false;
  event::TaskScope scope(loop);
  scope.spawn(answer(std::move(wire.server), std::string(data, data + size), dot_seen));
  const TransactionResult result =
      event::run_until_done(loop, dialogue(session, std::move(transaction), opened));
  if (opened) check(result, dot_seen);
  require(session.broken() || !opened);
  return 0;
}
