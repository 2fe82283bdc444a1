// SPDX-License-Identifier: Apache-2.0
#include "admin/queue_work.hpp"

#include <algorithm>

#include "admin/queue_commands.hpp"
#include "admin/queue_filter.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "event/ask.hpp"

namespace sealpost::admin {
namespace {

enum class Verb : std::uint8_t { hold, release, retry, expire, bounce, remove };
constexpr std::size_t most_held = 2000;   // messages in one request
constexpr std::size_t most_ended = 1000;  // jobs in one request

constexpr bool ends(Verb verb) noexcept {
  return verb == Verb::expire || verb == Verb::bounce || verb == Verb::remove;
}

// What a filter means, and what of it the verb can be done to.
struct Meant {
  std::vector<MessageId> ids;  // sorted; of those it can be done to
  std::size_t recipients = 0;  // the same
  std::size_t in_flight = 0, held = 0, not_held = 0, no_sender = 0, goes_back = 0;  // recipients passed over
  std::size_t passed_over() const noexcept { return in_flight + held + not_held + no_sender + goes_back; }
};

// Where one is passed over it is counted there.
std::size_t* reason_against(Verb verb, const queue::Match& match, Meant& meant) {
  switch (verb) {
    case Verb::hold: return match.held ? &meant.held : nullptr;
    case Verb::release: return match.held ? nullptr : &meant.not_held;
    case Verb::retry:
      if (match.held) return &meant.held;
      break;
    case Verb::expire:
    case Verb::bounce:
      if (match.goes_back) return &meant.goes_back;
      if (match.no_sender) return &meant.no_sender;
      break;
    case Verb::remove: break;
  }
  return match.in_flight ? &meant.in_flight : nullptr;
}

// Of one message, or of a few that were named: why nothing can be done.
Answer in_the_way(Verb verb, const Meant& meant, const queue::Filter& filter) {
  const std::string which =
      filter.ids.size() == 1 ? "message " + filter.ids.front().to_string() : "what was named";
  if (meant.not_held > 0)
    return Answer(400, which + " is not held", "'sealpost queue why ID' says what it waits for");
  if (meant.held > 0)
    return verb == Verb::hold ? Answer(400, which + " is held already")
                              : Answer(400, which + " is held", "'sealpost queue release ID' lets it go");
  if (meant.no_sender > 0)
    return Answer(400, which + " has no sender who could be told", "'sealpost queue remove ID' deletes it");
  if (meant.goes_back > 0)
    return Answer(400, which + " has failed already; its sender is about to be told",
                  "'sealpost queue remove ID' takes it out untold");
  return Answer(409, which + " is being delivered at this moment", "try again in a minute");
}

Json to_json(const Meant& meant) {
  Json sample = Json::array();
  for (std::size_t i = 0; i < std::min<std::size_t>(meant.ids.size(), 3); ++i)
    sample.push_back(meant.ids[i].to_string());
  return {{"messages", meant.ids.size()},
          {"recipients", meant.recipients},
          {"sample", std::move(sample)},
          {"passed_over",
           {{"in_flight", meant.in_flight},
            {"held", meant.held},
            {"not_held", meant.not_held},
            {"no_sender", meant.no_sender},
            {"going_back", meant.goes_back}}}};
}

class QueueWork {
 public:
  QueueWork(event::Loop& home, queue::Dispatcher& dispatcher, spool::Spool& spool)
      : home_(home), dispatcher_(dispatcher), spool_(spool) {}

  event::Task<Answer> work(Json arguments, Verb verb) {
    const auto filter = filter_of(arguments);
    if (!filter) co_return Answer(400, filter.error().what, filter.error().remedy);
    if (filter->all() && !arguments.value("all", false))
      co_return Answer(400, "it is not said which mail is meant",
                       "name queue ids, or say what it is: --domain D, --sender A, --older 2h ...; --all is "
                       "everything");
    Meant meant = co_await look(*filter, verb);
    if (meant.ids.empty() && filter->names_ids()) {
      if (meant.passed_over() == 0) co_return not_queued(*filter);
      co_return in_the_way(verb, meant, *filter);
    }
    Json answer = to_json(meant);
    if (arguments.value("preview", false) || meant.ids.empty()) co_return Answer(std::move(answer));
    if (verb != Verb::retry && !spool_.healthy())
      co_return Answer(503, "the journal cannot record anything now, and nothing was changed",
                       "'sealpost status' says why");
    const std::string note = text::printable(arguments.value("note", std::string()));
    std::size_t left = 0;
    if (verb == Verb::retry) {
      co_await retry(*filter);
    } else if (ends(verb)) {
      const std::size_t ended = co_await end(*filter, verb, note);
      answer["recipients"] = ended;
      left = meant.recipients - std::min(ended, meant.recipients);
      if (ended == 0) left = 0;  // it is on its way by now
    } else {
      left = meant.ids.size() - std::min(meant.ids.size(), most_held);
      meant.ids.resize(meant.ids.size() - left);
      const std::string failed = co_await set_held(std::move(meant.ids), verb == Verb::hold, note);
      if (!failed.empty())
        co_return Answer(503, "the journal could not record it: " + failed,
                         "what was not recorded was not changed; 'sealpost status' says why");
    }
    answer["left"] = left;
    co_return Answer(std::move(answer));
  }

 private:
  struct Outcome {
    std::vector<MessageId> failed, recorded;
    std::string why;
  };

  event::Task<Meant> look(queue::Filter filter, Verb verb) {
    Meant meant;
    for (queue::Shard* shard : dispatcher_.shards()) {
      auto find = [shard, filter] { return shard->matches(filter); };
      const auto part = co_await event::ask(home_, shard->loop(), find);
      for (const queue::Match& match : part) {
        if (std::size_t* against = reason_against(verb, match, meant)) {
          *against += match.recipients;
          continue;
        }
        meant.ids.push_back(match.id);
        meant.recipients += match.recipients;
      }
    }
    std::sort(meant.ids.begin(), meant.ids.end());
    meant.ids.erase(std::unique(meant.ids.begin(), meant.ids.end()), meant.ids.end());
    co_return meant;
  }

  event::Task<void> retry(queue::Filter filter) {
    for (queue::Shard* shard : dispatcher_.shards()) {
      auto act = [shard, filter] { return shard->retry(filter); };
      co_await event::ask(home_, shard->loop(), act);
    }
  }

  event::Task<std::size_t> end(queue::Filter filter, Verb verb, std::string note) {
    queue::LastWord word;
    word.kind = verb == Verb::bounce   ? queue::LastWord::Kind::bounce
                : verb == Verb::expire ? queue::LastWord::Kind::expire
                                       : queue::LastWord::Kind::remove;
    word.note = std::move(note);
    std::size_t ended = 0;
    for (queue::Shard* shard : dispatcher_.shards()) {
      const std::size_t part = co_await shard->end_from(home_, filter, word, most_ended);
      ended += part;
    }
    co_return ended;
  }

  // Held in memory first and released there last: at no time is mail tried that is on record as held. Why the journal
  // did not take some of it; empty: it took all.
  event::Task<std::string> set_held(std::vector<MessageId> ids, bool held, std::string note) {
    if (note.empty()) note = "by the operator";
    if (held) co_await tell_shards(ids, true, "held: " + note);
    const auto outcome = std::make_shared<Outcome>();
    {
      event::TaskScope recording(home_);  // together: the journal writes them as few groups
      for (const MessageId& id : ids) recording.spawn(record(id, held, note, outcome));
      co_await recording.join();
    }
    std::sort(outcome->failed.begin(), outcome->failed.end());
    std::sort(outcome->recorded.begin(), outcome->recorded.end());
    if (held && !outcome->failed.empty()) co_await tell_shards(outcome->failed, false, {});
    if (!held) co_await tell_shards(outcome->recorded, false, {});
    co_return outcome->why;
  }

  event::Task<void> record(MessageId id, bool held, std::string note, std::shared_ptr<Outcome> outcome) {
    const Expected<void> recorded = co_await spool_.hold(home_, id, held, note);
    if (recorded) {
      log::info(held ? "message_held" : "message_released", {{"id", id.to_string()}, {"why", note}});
      outcome->recorded.push_back(id);
    } else if (recorded.error().code != Errc::not_found) {  // not found: it has had its end meanwhile
      outcome->failed.push_back(id);
      outcome->why = recorded.error().detail;
    }
  }

  event::Task<void> tell_shards(std::vector<MessageId> ids, bool held, std::string reason) {
    for (queue::Shard* shard : dispatcher_.shards()) {
      auto act = [shard, ids, held, reason] {
        shard->set_held(ids, held, reason);
        return true;
      };
      co_await event::ask(home_, shard->loop(), act);
    }
  }

  event::Loop& home_;
  queue::Dispatcher& dispatcher_;
  spool::Spool& spool_;
};

}  // namespace

void serve_queue_work(ControlServer& server, event::Loop& home, queue::Dispatcher& dispatcher,
                      spool::Spool& spool) {
  const auto commands = std::make_shared<QueueWork>(home, dispatcher, spool);
  for (const auto& [name, verb] :
       {std::pair("queue.hold", Verb::hold), std::pair("queue.release", Verb::release),
        std::pair("queue.retry", Verb::retry), std::pair("queue.expire", Verb::expire),
        std::pair("queue.bounce", Verb::bounce), std::pair("queue.remove", Verb::remove)})
    server.handle(
        name, [commands, verb = verb](Json arguments) { return commands->work(std::move(arguments), verb); });
}

}  // namespace sealpost::admin
