// SPDX-License-Identifier: Apache-2.0
#include "admin/queue_commands.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/text.hpp"
#include "event/ask.hpp"

namespace sealpost::admin {
namespace {

constexpr std::size_t most_listed = 100'000;

Json to_json(const queue::QueueEntry& entry) {
  return {{"id", entry.id},
          {"sender", entry.sender},
          {"recipient", entry.recipient},
          {"next_hop", entry.next_hop},
          {"policy_domain", entry.recipient_domain},
          {"state", entry.state},
          {"attempts", entry.attempts},
          {"arrival", to_rfc3339(entry.arrival)},
          {"next_attempt", entry.state == "held" ? Json() : Json(to_rfc3339(entry.next_attempt))},
          {"expires", to_rfc3339(entry.expires)},
          {"size", entry.size},
          {"reason", entry.reason}};
}

class QueueCommands {
 public:
  QueueCommands(event::Loop& home, queue::Dispatcher& dispatcher, spool::Spool& spool)
      : home_(home), dispatcher_(dispatcher), spool_(spool) {}

  event::Task<Answer> list(Json arguments) {
    const std::size_t limit = std::min<std::size_t>(arguments.value("limit", most_listed), most_listed);
    const std::string domain = text::lower(arguments.value("domain", std::string()));
    const std::string state = arguments.value("state", std::string());
    std::vector<queue::QueueEntry> entries;
    for (queue::Shard* shard : dispatcher_.shards()) {
      auto look = [shard, limit] {
        std::vector<queue::QueueEntry> part;
        shard->list(part, limit);
        return part;
      };
      auto part = co_await event::ask(home_, shard->loop(), look);
      std::move(part.begin(), part.end(), std::back_inserter(entries));
    }
    std::erase_if(entries, [&](const queue::QueueEntry& entry) {
      return (!domain.empty() && entry.recipient_domain != domain && entry.next_hop != domain) ||
             (!state.empty() && entry.state != state);
    });
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    if (entries.size() > limit) entries.resize(limit);
    Json all = Json::array();
    for (const auto& entry : entries) all.push_back(to_json(entry));
    co_return Answer(std::move(all));
  }

  event::Task<Answer> show(Json arguments) {
    const auto id = id_of(arguments);
    if (!id) co_return bad_id(arguments);
    Json all = Json::array();
    for (queue::Shard* shard : dispatcher_.shards()) {
      auto look = [shard, id] {
        std::vector<queue::QueueEntry> part;
        shard->find(*id, part);
        return part;
      };
      const auto part = co_await event::ask(home_, shard->loop(), look);
      for (const auto& entry : part) all.push_back(to_json(entry));
    }
    if (all.empty()) co_return not_queued(*id);
    co_return Answer(std::move(all));
  }

  event::Task<Answer> why(Json arguments) {
    const auto id = id_of(arguments);
    if (!id) co_return bad_id(arguments);
    Json lines = Json::array();
    for (queue::Shard* shard : dispatcher_.shards()) {
      auto look = [shard, id] { return shard->why(*id); };
      const auto part = co_await event::ask(home_, shard->loop(), look);
      for (const auto& line : part) lines.push_back(line);
    }
    if (lines.empty()) co_return not_queued(*id);
    Json answer;
    answer["id"] = id->to_string();
    answer["why"] = std::move(lines);
    co_return Answer(std::move(answer));
  }

  event::Task<Answer> retry(Json arguments) {
    const bool all = arguments.value("all", false);
    const std::string domain = text::lower(arguments.value("domain", std::string()));
    const auto id = id_of(arguments);
    if (!all && domain.empty() && !id) co_return bad_id(arguments);
    std::size_t count = 0;
    for (queue::Shard* shard : dispatcher_.shards()) {
      auto act = [shard, all, domain, id] {
        return shard->retry([&](const queue::Lane& lane, const queue::Job& job) {
          return all || (id && job.message->id == *id) ||
                 (!domain.empty() &&
                  (lane.key().recipient_domain == domain || lane.key().next_hop == domain));
        });
      };
      count += co_await event::ask(home_, shard->loop(), act);
    }
    Json answer;
    answer["retried"] = count;
    co_return Answer(std::move(answer));
  }

  event::Task<Answer> set_held(Json arguments, bool held) {
    const auto id = id_of(arguments);
    if (!id) co_return bad_id(arguments);
    const std::string reason = text::printable(arguments.value("reason", std::string("by the operator")));
    const Expected<void> recorded = co_await spool_.hold(home_, *id, held, reason);
    if (!recorded && recorded.error().code == Errc::not_found) co_return not_queued(*id);
    if (!recorded) co_return Answer(503, "the spool could not record it: " + recorded.error().detail);
    for (queue::Shard* shard : dispatcher_.shards()) {
      auto act = [shard, id, held, reason] {
        shard->set_held(*id, held, "held: " + reason);
        return true;
      };
      co_await event::ask(home_, shard->loop(), act);
    }
    log::info(held ? "message_held" : "message_released", {{"id", id->to_string()}, {"why", reason}});
    Json answer;
    answer["id"] = id->to_string();
    answer["held"] = held;
    co_return Answer(std::move(answer));
  }

  // Gone for good, without a bounce. What is in flight at this moment stays; so nothing is half removed.
  event::Task<Answer> remove(Json arguments) {
    const auto id = id_of(arguments);
    if (!id) co_return bad_id(arguments);
    std::size_t removed = 0;
    bool busy = false;
    for (queue::Shard* shard : dispatcher_.shards()) {
      auto take = [shard, id] {
        Taken taken;
        auto jobs = shard->extract(*id, taken.busy);
        taken.jobs = std::make_shared<std::vector<Placed>>();
        for (auto& job : jobs) taken.jobs->push_back(Placed{std::move(job)});
        return taken;
      };
      Taken taken = co_await event::ask(home_, shard->loop(), take);
      busy = busy || taken.busy;
      for (Placed& placed : *taken.jobs) {
        spool::Outcome outcome;
        outcome.id = *id;
        outcome.when = home_.date();
        for (const std::uint32_t recipient : placed.job->recipients)
          outcome.recipients.emplace_back(recipient, spool::RecipientState::removed,
                                          "removed by the operator");
        const std::size_t recipients = outcome.recipients.size();
        std::vector<spool::NewMessage> none;
        const auto recorded = co_await spool_.finish_attempt(home_, std::move(outcome), std::move(none));
        if (!recorded && recorded.error().code != Errc::not_found) {
          const auto& envelope = placed.job->message->envelope;
          const queue::LaneKey key =
              dispatcher_.key_for(envelope, envelope.recipients[placed.job->recipients.front()]);
          auto box = std::make_shared<queue::JobPtr>(std::move(placed.job));
          shard->loop().post([shard, key, box] { shard->add(key, std::move(*box)); });
          co_return Answer(503, "the spool could not record it: " + recorded.error().detail,
                           "nothing was removed");
        }
        removed += recipients;
      }
    }
    if (removed == 0 && busy)
      co_return Answer(409, "message " + id->to_string() + " is being delivered at this moment",
                       "try again in a minute");
    if (removed == 0) co_return not_queued(*id);
    log::info("message_removed", {{"id", id->to_string()}, {"recipients", removed}});
    Json answer;
    answer["id"] = id->to_string();
    answer["removed"] = removed;
    answer["in_flight"] = busy;
    co_return Answer(std::move(answer));
  }

 private:
  struct Placed {
    queue::JobPtr job;
  };
  struct Taken {
    std::shared_ptr<std::vector<Placed>> jobs;
    bool busy = false;
  };

  static std::optional<MessageId> id_of(const Json& arguments) {
    return MessageId::parse(arguments.value("id", std::string()));
  }
  static Answer bad_id(const Json& arguments) {
    return Answer(400,
                  "'" + text::printable(arguments.value("id", std::string()), 64) + "' is not a queue id",
                  "a queue id has 26 letters and digits, as 'sealpost queue list' shows them");
  }
  static Answer not_queued(const MessageId& id) {
    return Answer(404, "no message " + id.to_string() + " in the queue",
                  "delivered and bounced mail is in the log");
  }

  event::Loop& home_;
  queue::Dispatcher& dispatcher_;
  spool::Spool& spool_;
};

}  // namespace

void serve_queue_commands(ControlServer& server, event::Loop& home, queue::Dispatcher& dispatcher,
                          spool::Spool& spool) {
  const auto commands = std::make_shared<QueueCommands>(home, dispatcher, spool);
  server.handle("queue.list", [commands](Json arguments) { return commands->list(std::move(arguments)); });
  server.handle("queue.show", [commands](Json arguments) { return commands->show(std::move(arguments)); });
  server.handle("queue.why", [commands](Json arguments) { return commands->why(std::move(arguments)); });
  server.handle("queue.retry", [commands](Json arguments) { return commands->retry(std::move(arguments)); });
  server.handle("queue.hold",
                [commands](Json arguments) { return commands->set_held(std::move(arguments), true); });
  server.handle("queue.release",
                [commands](Json arguments) { return commands->set_held(std::move(arguments), false); });
  server.handle("queue.remove",
                [commands](Json arguments) { return commands->remove(std::move(arguments)); });
}

}  // namespace sealpost::admin
