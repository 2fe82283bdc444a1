// SPDX-License-Identifier: Apache-2.0
#include "admin/queue_work.hpp"

#include <algorithm>
#include <limits>
#include <map>

#include "admin/queue_commands.hpp"
#include "admin/queue_filter.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "base/words.hpp"
#include "event/ask.hpp"
#include "route/mx_lookup.hpp"

namespace sealpost::admin {
namespace {

constexpr std::size_t recorded_together = 2000;  // holds on their way into the journal

using Verb = QueueWork::Verb;

constexpr bool ends(Verb verb) noexcept {
  return verb == Verb::expire || verb == Verb::bounce || verb == Verb::remove;
}

// Where mail is to go; empty: where routes and MX records lead.
Expected<std::string, FilterError> next_hop_in(const Json& arguments) {
  const auto to = arguments.find("to");
  if (to == arguments.end() || !to->is_string())
    return Unexpected(
        FilterError{"it is not said where the mail is to go",
                    "--to HOST:PORT names a relay; --as-configured is where routes and MX records lead"});
  auto next_hop = to->get<std::string>();
  if (!next_hop.empty() && !delivery::NextHop::parse(next_hop))
    return Unexpected(FilterError{
        "'" + text::printable(next_hop, 256) + "' is not a relay",
        "write it as in a [[route]]: smtp.example.net:587 is its MX hosts, [smtp.example.net]:587 the "
        "host itself, 192.0.2.1:25 an address"});
  return next_hop;
}

constexpr bool of_whole_messages(Verb verb) noexcept { return verb == Verb::hold || verb == Verb::release; }

}  // namespace

// What a filter means, and what of it the verb can be done to.
struct QueueWork::Meant {
  Meant() = default;
  // Each once, by id, with how many of its recipients it would be done to.
  std::vector<std::pair<MessageId, std::size_t>> messages;
  std::size_t recipients = 0;  // the same in all
  std::size_t matching = 0;    // of these; the others are in the same messages
  std::size_t untold = 0;      // of these have failed, and their senders are about to be told
  std::size_t in_flight = 0, held = 0, not_held = 0, no_sender = 0, goes_back = 0,
              early = 0;  // recipients passed over
  SteadyTime as_of{};

  std::size_t passed_over() const noexcept {
    return in_flight + held + not_held + no_sender + goes_back + early;
  }
  void add(const MessageId& id, std::size_t count) {
    messages.emplace_back(id, count);
    recipients += count;
  }
  void fold() {
    std::sort(messages.begin(), messages.end());
    std::size_t kept = 0;
    for (const auto& [id, count] : messages) {
      if (kept > 0 && messages[kept - 1].first == id)
        messages[kept - 1].second += count;
      else
        messages[kept++] = {id, count};
    }
    messages.resize(kept);
  }
};

struct QueueWork::Done {
  Done() = default;
  std::size_t messages = 0, recipients = 0;
  std::size_t left = 0;
  std::string failed;  // why the journal did not take it; empty: it did
};

struct QueueWork::Recorded {
  Recorded() = default;
  std::vector<MessageId> yes, no;  // what had its end meanwhile is in neither
  std::string why;
};

QueueWork::QueueWork(event::Loop& home, queue::Dispatcher& dispatcher, spool::Spool& spool,
                     QueueWorkLimits limits)
    : home_(home), dispatcher_(dispatcher), spool_(spool), limits_(limits) {}

// Where one is passed over it is counted there.
std::size_t* QueueWork::reason_against(Verb verb, const queue::Match& match, Meant& meant) {
  switch (verb) {
    case Verb::hold: return match.held ? &meant.held : nullptr;
    case Verb::release: return match.held ? nullptr : &meant.not_held;
    case Verb::retry:
      if (match.held) return &meant.held;
      if (match.early) return &meant.early;
      break;
    case Verb::expire:
    case Verb::bounce:
      if (match.goes_back) return &meant.goes_back;
      if (match.no_sender) return &meant.no_sender;
      break;
    case Verb::reroute:
      if (match.goes_back) return &meant.goes_back;
      break;
    case Verb::remove: break;
  }
  return match.in_flight ? &meant.in_flight : nullptr;
}

// Of one message, or of a few that were named: why nothing can be done.
Answer QueueWork::in_the_way(Verb verb, const Meant& meant, const queue::Filter& filter) {
  const std::string which =
      filter.ids.size() == 1 ? "message " + filter.ids.front().to_string() : "what was named";
  if (meant.not_held > 0)
    return Answer(400, which + " is not held", "'sealpost queue why ID' says what it waits for");
  if (meant.held > 0)
    return verb == Verb::hold ? Answer(400, which + " is held already")
                              : Answer(400, which + " is held", "'sealpost queue release ID' lets it go");
  if (meant.early > 0)
    return Answer(400, which + " is not to be sent before the time its sender gave",
                  "'sealpost queue show ID' says when that is");
  if (meant.no_sender > 0)
    return Answer(400, which + " has no sender who could be told", "'sealpost queue remove ID' deletes it");
  if (meant.goes_back > 0)
    return Answer(400, which + " has failed already; its sender is about to be told",
                  "'sealpost queue remove ID' takes it out untold");
  return Answer(409, which + " is being delivered at this moment", "try again in a minute");
}

Json QueueWork::preview_of(const Meant& meant) {
  Json sample = Json::array();
  for (const auto& [id, recipients] : meant.messages) {
    sample.push_back(id.to_string());
    if (sample.size() == 3) break;
  }
  return {{"messages", meant.messages.size()},
          {"recipients", meant.recipients},
          {"matching", meant.matching},
          {"untold", meant.untold},
          {"as_of", meant.as_of.time_since_epoch().count()},
          {"sample", std::move(sample)},
          {"passed_over",
           {{"in_flight", meant.in_flight},
            {"held", meant.held},
            {"not_held", meant.not_held},
            {"no_sender", meant.no_sender},
            {"going_back", meant.goes_back},
            {"early", meant.early}}}};
}

event::Task<Answer> QueueWork::work(Json arguments, Verb verb) {
  auto filter = filter_of(arguments);
  if (!filter) co_return Answer(400, filter.error().what, filter.error().remedy);
  filter->as_of = home_.steady();
  if (const auto then = arguments.find("as_of"); then != arguments.end()) {
    if (!then->is_number_integer())
      co_return Answer(400, "'as_of' is not what a preview answered",
                       "give back what it did, or leave it out");
    filter->as_of = SteadyTime(SteadyTime::duration(then->get<SteadyTime::rep>()));
    if (*filter->as_of > home_.steady())
      co_return Answer(409, "it was counted before this machine was started", "count again");
  }
  if (filter->all() && !arguments.value("all", false))
    co_return Answer(400, "it is not said which mail is meant",
                     "name queue ids, or say what it is: --domain D, --sender A, --older 2h ...; --all is "
                     "everything");
  std::optional<std::string> to;
  if (verb == Verb::reroute) {
    auto said = next_hop_in(arguments);
    if (!said) co_return Answer(400, said.error().what, said.error().remedy);
    to = std::move(*said);
  }
  Meant meant = co_await look(*filter, verb);
  if (meant.messages.empty() && filter->names_ids()) {
    if (meant.passed_over() == 0) co_return not_queued(*filter);
    co_return in_the_way(verb, meant, *filter);
  }
  // Mail that was there may have become what is meant since it was counted: deferred, held, refused by a policy.
  if (const auto counted = arguments.find("counted"); counted != arguments.end()) {
    if (!counted->is_number_integer() || counted->get<std::int64_t>() < 0)
      co_return Answer(400, "'counted' is not what a preview answered as 'recipients'",
                       "give back what it did, or leave it out");
    if (meant.recipients > counted->get<std::size_t>())
      co_return Answer(409,
                       "more is meant now than was counted: " + text::grouped(meant.recipients) +
                           " recipients, not " + text::grouped(counted->get<std::size_t>()),
                       "nothing was done; look again");
  }
  Json answer = preview_of(meant);
  if (arguments.value("preview", false) || meant.messages.empty()) co_return Answer(std::move(answer));
  answer["left"] = 0;
  if (verb == Verb::retry) {
    co_await retry(*filter);
    co_return Answer(std::move(answer));
  }
  if (!spool_.healthy())
    co_return Answer(503, "the journal cannot record anything now, and nothing was changed",
                     "'sealpost status' says why");
  const std::size_t recipients = meant.recipients;
  std::string note = text::printable(arguments.value("note", std::string()));
  Done done;
  if (ends(verb) || verb == Verb::reroute) {
    Part part = verb == Verb::reroute ? reroute(*filter, *to) : end(*filter, verb, std::move(note));
    done = co_await in_parts(std::move(part), recipients);
    done.left = std::min(done.left, recipients - std::min(recipients, done.recipients));
  } else {
    done = co_await hold_or_release(std::move(meant), verb == Verb::hold, std::move(note));
  }
  if (!done.failed.empty())
    co_return Answer(503,
                     "the journal could not record it: " + done.failed +
                         (done.messages == 0
                              ? ""
                              : "; before that it was done to " + text::grouped(done.messages) + " messages"),
                     "what was not recorded was not changed; 'sealpost status' says why");
  if (done.recipients == 0 && verb == Verb::reroute)
    co_return Answer(409, "what was meant goes there already, or is being delivered at this moment",
                     "'sealpost queue list' shows the next hop of each");
  if (done.recipients == 0)
    co_return Answer(409, "what was meant is being delivered at this moment", "try again in a minute");
  answer["messages"] = done.messages;
  answer["recipients"] = done.recipients;
  answer["left"] = done.left;
  co_return Answer(std::move(answer));
}

event::Task<QueueWork::Meant> QueueWork::look(queue::Filter filter, Verb verb) {
  Meant meant;
  meant.as_of = *filter.as_of;
  for (queue::Shard* shard : dispatcher_.shards()) {
    auto find = [shard, filter] { return shard->matches(filter); };
    const auto part = co_await event::ask(home_, shard->loop(), find);
    for (const queue::Match& match : part) {
      if (std::size_t* against = reason_against(verb, match, meant)) {
        *against += match.recipients;
        continue;
      }
      meant.add(match.id, verb == Verb::retry ? match.in_job : match.recipients);
      meant.matching += match.recipients;
      if (verb == Verb::remove && match.goes_back) meant.untold += match.recipients;
    }
  }
  meant.fold();
  if (of_whole_messages(verb)) meant = co_await whole_messages(std::move(meant), verb);
  co_return meant;
}

// All of their recipients, asked for or not, in whichever lanes.
event::Task<QueueWork::Meant> QueueWork::whole_messages(Meant meant, Verb verb) {
  queue::Filter these;
  for (const auto& [id, count] : meant.messages) these.ids.push_back(id);
  meant.messages.clear();
  meant.recipients = 0;
  if (these.ids.empty()) co_return meant;
  for (queue::Shard* shard : dispatcher_.shards()) {
    auto find = [shard, these] { return shard->matches(these); };
    const auto part = co_await event::ask(home_, shard->loop(), find);
    for (const queue::Match& match : part)
      if (match.held == (verb == Verb::release)) meant.add(match.id, match.recipients);
  }
  meant.fold();
  co_return meant;
}

event::Task<void> QueueWork::retry(queue::Filter filter) {
  auto act = [filter](queue::Shard& shard) { shard.retry(filter); };
  co_await on_shards(act);
}

QueueWork::Part QueueWork::end(const queue::Filter& filter, Verb verb, std::string note) {
  queue::LastWord word;
  word.kind = verb == Verb::bounce   ? queue::LastWord::Kind::bounce
              : verb == Verb::expire ? queue::LastWord::Kind::expire
                                     : queue::LastWord::Kind::remove;
  word.note = std::move(note);
  return [&home = home_, filter, word](queue::Shard& shard, std::size_t jobs) {
    return shard.end_from(home, filter, word, jobs);
  };
}

QueueWork::Part QueueWork::reroute(const queue::Filter& filter, const std::string& to) {
  const auto target = [&dispatcher = dispatcher_, to](const queue::LaneKey& from, const queue::Job& job) {
    const Envelope& envelope = job.message->envelope;
    return to.empty() ? dispatcher.key_for(envelope, envelope.recipients[job.recipients.front()])
                      : dispatcher.rerouted(from, to);
  };
  return [&home = home_, filter, to, target](queue::Shard& shard, std::size_t jobs) {
    return shard.reroute_from(home, filter, to, target, jobs);
  };
}

// `most`: recipients that were counted. Every job has one at least.
event::Task<QueueWork::Done> QueueWork::in_parts(Part part, std::size_t most) {
  Done done;
  std::vector<MessageId> messages;
  const SteadyTime until = home_.now() + limits_.time;
  bool more = true;
  while (more && done.failed.empty() && done.recipients < most) {
    more = false;
    for (queue::Shard* shard : dispatcher_.shards()) {
      const std::size_t jobs = std::min(limits_.at_once, most - std::min(most, done.recipients));
      if (jobs == 0) break;
      const queue::Ended ended = co_await part(*shard, jobs);
      messages.insert(messages.end(), ended.messages.begin(), ended.messages.end());
      done.recipients += ended.recipients;
      more = more || ended.more;
      if (!ended.failed.empty()) done.failed = ended.failed;
    }
    if (home_.now() >= until) break;
  }
  std::sort(messages.begin(), messages.end());
  done.messages = static_cast<std::size_t>(std::unique(messages.begin(), messages.end()) - messages.begin());
  done.left = more ? std::numeric_limits<std::size_t>::max() : 0;
  co_return done;
}

// Held in memory first and released there last: at no time is mail tried that is on record as held.
event::Task<QueueWork::Done> QueueWork::hold_or_release(Meant meant, bool held, std::string note) {
  if (note.empty()) note = "by the operator";
  const std::string reason = "held: " + note;
  Done done;
  done.left = meant.messages.size();
  const SteadyTime until = home_.now() + limits_.time;
  for (auto next = meant.messages.cbegin(); next != meant.messages.cend();) {
    std::vector<MessageId> ids;
    std::map<MessageId, std::size_t> recipients;
    for (; next != meant.messages.cend() && ids.size() < limits_.at_once; ++next) {
      ids.push_back(next->first);
      recipients.insert(*next);
    }
    done.left -= ids.size();
    auto hold = [ids, reason](queue::Shard& shard) { shard.hold(ids, reason); };
    if (held) co_await on_shards(hold);
    Recorded recorded = co_await record(std::move(ids), held, note);
    const auto& yes = recorded.yes;
    // What was on its way from one shard to another the first time is held now.
    auto settle = [held, reason, recorded](queue::Shard& shard) {
      if (!held) return shard.release(recorded.yes);
      if (!recorded.no.empty())
        shard.undo_hold(recorded.no, reason, "a hold of it could not be recorded: " + recorded.why);
      shard.hold(recorded.yes, reason);
    };
    co_await on_shards(settle);
    done.messages += yes.size();
    for (const MessageId& id : yes) done.recipients += recipients[id];
    done.failed = std::move(recorded.why);
    if (!done.failed.empty() || home_.now() >= until) break;
  }
  co_return done;
}

event::Task<QueueWork::Recorded> QueueWork::record(std::vector<MessageId> ids, bool held, std::string note) {
  const auto outcome = std::make_shared<Recorded>();
  for (auto next = ids.cbegin(); next != ids.cend();) {
    if (!outcome->why.empty()) {
      outcome->no.push_back(*next++);
      continue;
    }
    event::TaskScope recording(home_);  // together: the journal writes them as few groups
    for (std::size_t i = 0; i < recorded_together && next != ids.cend(); ++i, ++next)
      recording.spawn(record_one(*next, held, note, outcome));
    co_await recording.join();
  }
  std::sort(outcome->yes.begin(), outcome->yes.end());
  std::sort(outcome->no.begin(), outcome->no.end());
  co_return std::move(*outcome);
}

event::Task<void> QueueWork::record_one(MessageId id, bool held, std::string note,
                                        std::shared_ptr<Recorded> into) {
  const Expected<void> recorded = co_await spool_.hold(home_, id, held, note);
  if (recorded) {
    log::info(held ? "message_held" : "message_released", {{"id", id.to_string()}, {"why", note}});
    into->yes.push_back(id);
  } else if (recorded.error().code != Errc::not_found) {
    into->no.push_back(id);
    into->why = recorded.error().detail;
  }
}

event::Task<void> QueueWork::on_shards(std::function<void(queue::Shard&)> act) {
  for (queue::Shard* shard : dispatcher_.shards()) {
    auto call = [shard, act] {
      act(*shard);
      return true;
    };
    co_await event::ask(home_, shard->loop(), call);
  }
}

void serve_queue_work(ControlServer& server, event::Loop& home, queue::Dispatcher& dispatcher,
                      spool::Spool& spool) {
  const auto commands = std::make_shared<QueueWork>(home, dispatcher, spool);
  for (const auto& [name, verb] :
       {std::pair("queue.hold", Verb::hold), std::pair("queue.release", Verb::release),
        std::pair("queue.retry", Verb::retry), std::pair("queue.expire", Verb::expire),
        std::pair("queue.bounce", Verb::bounce), std::pair("queue.remove", Verb::remove),
        std::pair("queue.reroute", Verb::reroute)})
    server.handle(
        name, [commands, verb = verb](Json arguments) { return commands->work(std::move(arguments), verb); });
}

}  // namespace sealpost::admin
