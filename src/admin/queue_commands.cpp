// SPDX-License-Identifier: Apache-2.0
#include "admin/queue_commands.hpp"

#include <algorithm>
#include <map>

#include "admin/queue_filter.hpp"
#include "admin/queue_work.hpp"
#include "base/text.hpp"
#include "event/ask.hpp"

namespace sealpost::admin {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t most_listed = 100'000, most_rows = queue::Shard::most_rows;
constexpr std::size_t most_content = 4u << 20;  // of a message in one answer
const std::vector<std::chrono::seconds> age_bounds{5min, 15min, 1h, 4h, 12h, 24h, 48h};

Json time_or_null(const std::optional<SystemTime>& time) {
  return time && *time != SystemTime{} && *time != SystemTime::max() ? Json(to_rfc3339(*time)) : Json();
}

// Whose word ended the last attempt. Without a session it was nobody's but ours: no host.
Json json_of(const spool::AnswerPtr& answer) {
  if (!answer) return Json();
  const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  return {
      {"status", or_null(answer->status)}, {"mx", or_null(answer->host)}, {"ip", or_null(answer->address)}};
}

Json json_of(const queue::QueueEntry& entry) {
  const bool has_turn = entry.state == "waiting" || entry.state == "deferred";
  return {{"id", entry.id},
          {"sender", entry.sender},
          {"recipient", entry.recipient},
          {"next_hop", entry.next_hop},
          {"policy_domain", entry.recipient_domain},
          {"state", entry.state},
          {"attempts", entry.attempts},
          {"arrival", to_rfc3339(entry.arrival)},
          {"next_attempt", has_turn ? time_or_null(entry.next_attempt) : Json()},
          {"expires", to_rfc3339(entry.expires)},
          {"size", entry.size},
          {"reason", entry.reason},
          {"last_answer", json_of(entry.last_answer)},
          {"policy", entry.policy.empty() ? Json() : Json(entry.policy)},
          {"refused_since", time_or_null(entry.refused_since)},
          {"grace_ends", time_or_null(entry.grace_ends)},
          {"grace_then", entry.grace_then.empty() ? Json() : Json(entry.grace_then)}};
}

// What all recipients of a message have in common.
Json message_json(const spool::StoredMessage& message) {
  const Envelope& envelope = message.envelope;
  return {{"id", message.id.to_string()},
          {"sender", envelope.reverse_path},
          {"arrival", to_rfc3339(envelope.arrival)},
          {"send_at", time_or_null(envelope.not_before)},
          {"received_from", envelope.received_from},
          {"user", envelope.account.empty() ? Json() : Json(envelope.account)},
          {"size", message.size},
          {"body", name_of(envelope.body)},
          {"smtputf8", envelope.smtputf8},
          {"requiretls", envelope.flags.requiretls},
          {"tls_required_no", envelope.flags.tls_required_no},
          {"tls_need",
           envelope.flags.tls_need == TlsNeed::none ? Json() : Json(name_of(envelope.flags.tls_need))},
          {"envid", envelope.envid},
          {"recipients_in_all", envelope.recipients.size()},
          {"recipients", Json::array()}};
}

std::optional<queue::SummaryBy> summary_by(const std::string& word) {
  if (word == "domain") return queue::SummaryBy::domain;
  if (word == "sender") return queue::SummaryBy::sender;
  if (word == "next-hop") return queue::SummaryBy::next_hop;
  if (word == "reason") return queue::SummaryBy::reason;
  return std::nullopt;
}

Json json_of(const queue::Ages& row) {
  return {{"recipients", row.total}, {"ages", row.counts}, {"oldest", to_rfc3339(row.oldest)}};
}

class QueueCommands {
 public:
  QueueCommands(event::Loop& home, queue::Dispatcher& dispatcher, spool::Spool* spool)
      : home_(home), dispatcher_(dispatcher), spool_(spool) {}

  event::Task<Answer> list(Json arguments) {
    const auto filter = filter_of(arguments);
    if (!filter) co_return Answer(400, filter.error().what, filter.error().remedy);
    const std::size_t limit = limit_of(arguments, most_listed);
    const queue::Listing listing = co_await found(*filter, limit);
    if (listing.total == 0 && filter->names_ids()) co_return not_queued(*filter);
    Json answer{{"total", listing.total}, {"limit", limit}, {"entries", Json::array()}};
    for (const auto& entry : listing.entries) answer["entries"].push_back(json_of(entry));
    co_return Answer(std::move(answer));
  }

  event::Task<Answer> show(Json arguments) {
    const auto filter = filter_of(arguments);
    if (!filter) co_return Answer(400, filter.error().what, filter.error().remedy);
    const std::size_t limit = limit_of(arguments, spool::max_recipients);
    const queue::Listing listing = co_await found(*filter, limit);
    if (listing.total == 0 && filter->names_ids()) co_return not_queued(*filter);
    Json answer{{"total", listing.total}, {"limit", limit}, {"messages", Json::array()}};
    Json& messages = answer["messages"];
    for (const auto& entry : listing.entries) {
      if (messages.empty() || messages.back().at("id") != entry.id)
        messages.push_back(message_json(*entry.message));
      messages.back()["recipients"].push_back(json_of(entry));
    }
    co_return Answer(std::move(answer));
  }

  event::Task<Answer> why(Json arguments) {
    const auto filter = filter_of(arguments);
    if (!filter) co_return Answer(400, filter.error().what, filter.error().remedy);
    const std::size_t limit = limit_of(arguments, spool::max_recipients);
    const queue::Listing listing = co_await found(*filter, limit, queue::Shard::Why::told);
    if (listing.total == 0 && filter->names_ids()) co_return not_queued(*filter);
    Json answer{{"total", listing.total}, {"limit", limit}, {"entries", Json::array()}};
    for (const auto& entry : listing.entries)
      answer["entries"].push_back(
          {{"id", entry.id},
           {"recipient", entry.recipient},
           {"state", entry.state},
           {"why", entry.why},
           {"policy", entry.policy.empty() ? Json() : Json(entry.policy)},
           {"grace_ends", time_or_null(entry.grace_ends)},
           {"grace_then", entry.grace_then.empty() ? Json() : Json(entry.grace_then)}});
    co_return Answer(std::move(answer));
  }

  event::Task<Answer> summary(Json arguments) {
    const auto filter = filter_of(arguments);
    if (!filter) co_return Answer(400, filter.error().what, filter.error().remedy);
    const std::string word = arguments.value("by", std::string("domain"));
    const auto by = summary_by(word);
    if (!by)
      co_return Answer(400, "the queue cannot be summed up by '" + text::printable(word, 60) + "'",
                       "by domain, sender, next-hop or reason");
    std::map<std::string, queue::Ages> rows;
    queue::Ages total;
    total.counts.resize(age_bounds.size() + 1);
    for (queue::Shard* shard : dispatcher_.shards()) {
      auto look = [shard, filter = *filter, by = *by] { return shard->summary(filter, by, age_bounds); };
      const auto part = co_await event::ask(home_, shard->loop(), look);
      for (const auto& [name, ages] : part) {
        add(rows[name], ages);
        add(total, ages);
      }
    }
    std::vector<std::pair<std::string, queue::Ages>> sorted(rows.begin(), rows.end());
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto& a, const auto& b) { return a.second.total > b.second.total; });
    const std::size_t limit = limit_of(arguments, most_rows);
    Json answer{
        {"by", word}, {"rows_in_all", sorted.size()}, {"rows", Json::array()}, {"older_than", Json::array()}};
    answer["older_than"].push_back(0);
    for (const auto bound : age_bounds) answer["older_than"].push_back(bound.count());
    answer["total"] = json_of(total);
    if (total.total == 0) answer["total"]["oldest"] = Json();
    for (std::size_t i = 0; i < std::min(limit, sorted.size()); ++i) {
      Json row = json_of(sorted[i].second);
      row["name"] = sorted[i].first;
      answer["rows"].push_back(std::move(row));
    }
    co_return Answer(std::move(answer));
  }

  // A piece of a message as it will be sent, from `offset` on.
  event::Task<Answer> raw(Json arguments) {
    const auto filter = filter_of(arguments);
    if (!filter) co_return Answer(400, filter.error().what, filter.error().remedy);
    if (filter->ids.size() != 1) co_return Answer(400, "one queue id is wanted");
    const queue::Listing listing = co_await found(*filter, 1);
    if (listing.entries.empty()) co_return not_queued(*filter);
    const std::uint64_t offset = arguments.value("offset", std::uint64_t{0});
    const spool::StoredMessagePtr& message = listing.entries.front().message;
    const auto reader = spool_->open(home_, message);
    Json answer{{"id", message->id.to_string()}, {"size", message->size}, {"offset", offset}};
    std::string octets;
    std::uint64_t at = 0;
    while (octets.size() < most_content) {
      const Expected<std::string_view> piece = co_await reader->next();
      if (!piece) {
        answer["damaged"] = piece.error().detail;  // what is whole of it is shown all the same
        break;
      }
      if (piece->empty()) break;
      const std::uint64_t skip = std::min<std::uint64_t>(offset > at ? offset - at : 0, piece->size());
      octets += piece->substr(static_cast<std::size_t>(skip));
      at += piece->size();
    }
    answer["last"] = answer.contains("damaged") || octets.size() < most_content;
    answer["octets"] = text::base64(octets);
    co_return Answer(std::move(answer));
  }

 private:
  // The oldest of all shards.
  event::Task<queue::Listing> found(queue::Filter filter, std::size_t limit,
                                    queue::Shard::Why why = queue::Shard::Why::left_out) {
    queue::Listing all;
    for (queue::Shard* shard : dispatcher_.shards()) {
      auto look = [shard, filter, limit, why] { return shard->list(filter, limit, why); };
      queue::Listing part = co_await event::ask(home_, shard->loop(), look);
      all.total += part.total;
      std::move(part.entries.begin(), part.entries.end(), std::back_inserter(all.entries));
    }
    std::stable_sort(all.entries.begin(), all.entries.end());
    if (all.entries.size() > limit) all.entries.resize(limit);
    co_return all;
  }

  static void add(queue::Ages& to, const queue::Ages& more) {
    to.counts.resize(more.counts.size());
    for (std::size_t i = 0; i < more.counts.size(); ++i) to.counts[i] += more.counts[i];
    to.total += more.total;
    to.oldest = std::min(to.oldest, more.oldest);
  }
  static std::size_t limit_of(const Json& arguments, std::size_t most) {
    return std::min<std::size_t>(arguments.value("limit", most), most);
  }

  event::Loop& home_;
  queue::Dispatcher& dispatcher_;
  spool::Spool* spool_;  // for raw()
};

}  // namespace

Answer not_queued(const queue::Filter& filter) {
  if (filter.ids.size() > 1) return Answer(404, "none of these messages is in the queue as asked for");
  const std::string id = filter.ids.front().to_string();
  queue::Filter rest = filter;
  rest.ids.clear();
  if (!rest.all()) return Answer(404, "no message " + id + " in the queue that is as asked for");
  return Answer(404, "no message " + id + " in the queue", "delivered and bounced mail is in the log");
}

event::Task<Answer> ask_queue(event::Loop& home, queue::Dispatcher& dispatcher, std::string name,
                              Json arguments) {
  QueueCommands commands(home, dispatcher, nullptr);
  Answer answer(404, "'" + name + "' needs a relay that runs");
  if (name == "queue.list")
    answer = co_await commands.list(std::move(arguments));
  else if (name == "queue.show")
    answer = co_await commands.show(std::move(arguments));
  else if (name == "queue.why")
    answer = co_await commands.why(std::move(arguments));
  else if (name == "queue.summary")
    answer = co_await commands.summary(std::move(arguments));
  co_return answer;
}

void serve_queue_commands(ControlServer& server, event::Loop& home, queue::Dispatcher& dispatcher,
                          spool::Spool& spool) {
  const auto commands = std::make_shared<QueueCommands>(home, dispatcher, &spool);
  server.handle("queue.list", [commands](Json arguments) { return commands->list(std::move(arguments)); });
  server.handle("queue.show", [commands](Json arguments) { return commands->show(std::move(arguments)); });
  server.handle("queue.why", [commands](Json arguments) { return commands->why(std::move(arguments)); });
  server.handle("queue.raw", [commands](Json arguments) { return commands->raw(std::move(arguments)); });
  server.handle("queue.summary",
                [commands](Json arguments) { return commands->summary(std::move(arguments)); });
  serve_queue_work(server, home, dispatcher, spool);
}

}  // namespace sealpost::admin
