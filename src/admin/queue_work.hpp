// SPDX-License-Identifier: Apache-2.0
//
// `queue hold|release|retry|expire|bounce|remove|reroute` over the control socket: {"filter": .., "all": bool, "preview": bool,
// "as_of": .., "note": "..", "to": ".."}. An empty filter means nothing without "all". With "preview" the answer says of how many messages
// and recipients it would be, and how many of those meant would be passed over, and why; and it has an "as_of", with which
// nothing is done to mail that came after that. Without "preview" it says of how many it was. What takes longer than
// an answer may is done in parts; "left" says how many messages or recipients remain for the next request. "to" is for reroute:
// the next hop, as in `relay` of a [[route]]; "" is where routes and MX records lead.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "admin/control_server.hpp"
#include "queue/dispatcher.hpp"
#include "queue/filter.hpp"
#include "spool/spool.hpp"

namespace sealpost::admin {

struct QueueWorkLimits {
  QueueWorkLimits() = default;
  std::size_t at_once = 20'000;              // messages, or jobs of a shard, taken up together
  Duration time = std::chrono::seconds(20);  // then one more such part may end, and the answer is due
};

class QueueWork {
 public:
  enum class Verb : std::uint8_t { hold, release, retry, expire, bounce, remove, reroute };
  QueueWork(event::Loop& home, queue::Dispatcher& dispatcher, spool::Spool& spool,
            QueueWorkLimits limits = {});

  event::Task<Answer> work(Json arguments, Verb verb);

 private:
  struct Meant;
  struct Done;
  struct Recorded;
  event::Task<Meant> look(queue::Filter filter, Verb verb);
  event::Task<Meant> whole_messages(Meant meant, Verb verb);
  event::Task<void> retry(queue::Filter filter);
  using Part = std::function<event::Task<queue::Ended>(queue::Shard& shard, std::size_t jobs)>;
  event::Task<Done> in_parts(Part part, std::size_t most);
  Part end(const queue::Filter& filter, Verb verb, std::string note);
  Part reroute(const queue::Filter& filter, const std::string& to);
  event::Task<Done> hold_or_release(Meant meant, bool held, std::string note);
  event::Task<Recorded> record(std::vector<MessageId> ids, bool held, std::string note);
  event::Task<void> record_one(MessageId id, bool held, std::string note, std::shared_ptr<Recorded> into);
  event::Task<void> on_shards(std::function<void(queue::Shard&)> act);
  static std::size_t* reason_against(Verb verb, const queue::Match& match, Meant& meant);
  static Answer in_the_way(Verb verb, const Meant& meant, const queue::Filter& filter);
  static Json preview_of(const Meant& meant);

  event::Loop& home_;
  queue::Dispatcher& dispatcher_;
  spool::Spool& spool_;
  const QueueWorkLimits limits_;
};

void serve_queue_work(ControlServer& server, event::Loop& home, queue::Dispatcher& dispatcher,
                      spool::Spool& spool);

}  // namespace sealpost::admin
