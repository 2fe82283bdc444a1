// SPDX-License-Identifier: Apache-2.0
//
// One message: what it is, why it waits, its trail as the log of this run has kept it in memory, and what the ledger has on
// record of it: each attempt, with what was demanded and what was shown, also of a message that is long gone.
#include <algorithm>

#include "base/text.hpp"
#include "base/words.hpp"
#include "web/pages/pages.hpp"
#include "web/queue_actions.hpp"
#include "web/swim_lane.hpp"

namespace sealpost::web {
namespace {

constexpr std::size_t most_in_trail = 1000, most_recipients = 1000;

void put_search(Html& html, std::string_view id) {
  const auto form = html.in_form(Url("/message"), false);
  const auto row = html.in("div", {{"class", "row"}});
  put_field(html, "id", "Queue id", id);
  html.put("button", "Show");
}

void put_message(Html& html, const Json& message) {
  const auto facts = html.in("dl", {{"class", "facts"}});
  put_fact(html, "From", words_of(message, "sender").empty() ? "<>" : words_of(message, "sender"));
  html.put("dt", "Taken in");
  {
    const auto value = html.in("dd");
    put_time(html, words_of(message, "arrival"));
  }
  if (const std::string when = words_of(message, "send_at"); !when.empty()) {
    html.put("dt", "To be sent at");
    const auto value = html.in("dd");
    put_time(html, when);
  }
  put_fact(html, "Received from", words_of(message, "received_from"));
  if (const std::string user = words_of(message, "user"); !user.empty()) put_fact(html, "Submitted by", user);
  put_fact(html, "Size", text::grouped(number_of(message, "size")) + " octets, " + words_of(message, "body"));
  put_fact(html, "Recipients", text::grouped(number_of(message, "recipients_in_all")) + " in all");
  if (const std::string need = words_of(message, "tls_need"); !need.empty())
    put_fact(html, "TLS asked for", need);
  if (flag_of(message, "requiretls")) put_fact(html, "REQUIRETLS", "asked for by the sender");
  if (flag_of(message, "tls_required_no")) put_fact(html, "TLS-Required", "No, asked for by the sender");
}

// Whose word ended the last attempt: known after a restart, too, when the trail has ended.
void put_last_answer(Html& html, const Json& answer) {
  if (!answer.is_object() || words_of(answer, "mx").empty()) return;
  html.alone("br");
  html.put("span", {{"class", "small"}},
           "said by " + words_of(answer, "mx") + " [" + words_of(answer, "ip") + "]");
}

// By recipient.
std::unordered_map<std::string, std::string> told_in(const Json& why) {
  std::unordered_map<std::string, std::string> told;
  for (const Json& entry : part_of(why, "entries"))
    told.emplace(words_of(entry, "recipient"), words_of(entry, "why"));
  return told;
}

void put_recipients(Html& html, const Json& message, const Json& why, std::uint64_t total) {
  html.put("h2", "Recipients that wait");
  const Json& recipients = part_of(message, "recipients");
  const std::unordered_map<std::string, std::string> told_of = told_in(why);
  if (total > recipients.size())
    html.put("p", {{"class", "soft"}},
             text::grouped(recipients.size()) + " of " + text::grouped(total) + " recipients.");
  const Table table(html, "Recipients of this message that are in the queue",
                    {{"Recipient"},
                     {"State"},
                     {"Tries", true},
                     {"Next try"},
                     {"Given up"},
                     {"Kept back by"},
                     {"Why it waits"}});
  const auto body = html.in("tbody");
  for (const Json& entry : recipients) {
    const std::string recipient = words_of(entry, "recipient");
    const auto row = html.in("tr");
    {
      const auto head = html.in("th", {{"scope", "row"}});
      html.text(recipient);
      html.alone("br");
      html.link(Url("/domain").with("name", words_of(entry, "policy_domain")), "what its domain demands",
                {{"class", "small"}});
    }
    put_cell(html, words_of(entry, "state"));
    put_number(html, number_of(entry, "attempts"));
    {
      const auto cell = html.in("td");
      put_time(html, words_of(entry, "next_attempt"));
    }
    {
      const auto cell = html.in("td");
      put_time(html, words_of(entry, "expires"));
    }
    put_cell(html, words_of(entry, "policy"));
    const auto told = told_of.find(recipient);
    const auto cell = html.in("td", {{"class", "words"}});
    html.text(told == told_of.end() ? words_of(entry, "reason") : told->second);
    put_last_answer(html, entry.value("last_answer", Json()));
  }
}

// What was demanded and not met, or what was met; and what the host showed.
std::string demanded(const Json& line) {
  const std::string policy = words_of(line, "policy"), origin = words_of(line, "origin");
  return policy + (origin.empty() ? "" : " " + origin);
}

std::string shown(const Json& line) {
  std::string all;
  for (const char* key : {"tls", "cipher", "verified", "result"})
    if (const std::string value = words_of(line, key); !value.empty())
      all += (all.empty() ? "" : ", ") + value;
  return all;
}

void put_trail(Html& html, const Json& lines) {
  html.put("h2", "Its trail");
  if (!lines.is_array() || lines.empty()) {
    html.put("p", {{"class", "soft"}},
             "Nothing of it is among the lines of the log that are kept in memory.");
    return;
  }
  put_swim_lanes(html, lines);
  const Table table(html, "Each attempt, the oldest first",
                    {{"When"}, {"What"}, {"Recipient"}, {"Host"}, {"Demanded by"}, {"Shown"}, {"Said"}});
  const auto body = html.in("tbody");
  for (const Json& line : lines) {
    const auto row = html.in("tr");
    {
      const auto head = html.in("th", {{"scope", "row"}, {"class", "n"}});
      const std::string time = words_of(line, "time");
      html.put("time", {{"datetime", time}},
               time.size() >= 19 ? time.substr(0, 10) + " " + time.substr(11, 8) : time);
    }
    {
      const auto cell = html.in("td");
      put_tag(html, tone_of_event(words_of(line, "event")), words_of(line, "event"));
    }
    put_cell(html, words_of(line, "rcpt"));
    put_cell(html,
             words_of(line, "mx") + (words_of(line, "ip").empty() ? "" : " [" + words_of(line, "ip") + "]"));
    put_cell(html, demanded(line));
    put_cell(html, shown(line));
    const std::string reply = words_of(line, "reply");
    html.put("td", {{"class", "words"}},
             reply.empty() ? words_of(line, "why") : words_of(line, "status") + " " + reply);
  }
}

// The first line says what happened, those behind it what was proven.
void put_words(Html& html, std::string_view words) {
  bool first = true;
  for (const std::string_view line : text::split(words, '\n')) {
    if (first)
      html.text(line);
    else {
      html.alone("br");
      html.put("span", {{"class", "small"}}, line.substr(std::min(line.find_first_not_of(' '), line.size())));
    }
    first = false;
  }
}

void put_on_record(Html& html, const admin::Answer& answer) {
  html.put("h2", "On record");
  const Json& rows = part_of(answer.body, "rows");
  if (answer.status != 200 || !rows.is_array() || rows.empty()) {
    html.put("p", {{"class", "soft"}},
             answer.status == 200 ? "The ledger has nothing of it yet."
                                  : "The ledger cannot be asked: " + words_of(answer.body, "error"));
    return;
  }
  if (const std::uint64_t total = number_of(answer.body, "total"); total > rows.size())
    html.put("p", {{"class", "soft"}},
             "The last " + text::grouped(rows.size()) + " of " + text::grouped(total) +
                 " rows; `sealpost trace` has all.");
  const Table table(html, "What the ledger says, the oldest first", {{"When"}, {"What"}, {"On record"}});
  const auto body = html.in("tbody");
  for (const Json& entry : rows) {
    const auto row = html.in("tr");
    {
      const auto head = html.in("th", {{"scope", "row"}, {"class", "n"}});
      put_time(html, words_of(entry, "time"));
    }
    {
      const auto cell = html.in("td");
      put_tag(html, tone_of_event(words_of(entry, "kind")), words_of(entry, "kind"));
    }
    const auto cell = html.in("td", {{"class", "words"}});
    put_words(html, words_of(entry, "words"));
  }
}

}  // namespace

event::Task<Reply> message_page(const Call& call) {
  const std::string id(call.query.value("id"));
  Reply reply;
  reply.title = "Message";
  Html& html = reply.body;
  put_search(html, id);
  if (id.empty()) co_return reply;
  Json filter = Json::object();
  filter["id"].push_back(id);
  const Json asked{{"filter", filter}, {"limit", most_recipients}};
  const admin::Answer found = co_await call.ask("queue.show", asked);
  if (found.status != 200 && found.status != 404) {
    Reply wrong = refusal(found, "Message");
    html.add(std::move(wrong.body));
    reply.status = found.status;
    co_return reply;
  }
  const Json& messages = part_of(found.body, "messages");
  const bool queued = found.status == 200 && messages.is_array() && !messages.empty();
  reply.title = "Message " + id.substr(0, 40);
  if (queued) {
    const admin::Answer why = co_await call.ask("queue.why", asked);
    put_message(html, messages[0]);
    put_recipients(html, messages[0], why.body, number_of(found.body, "total"));
  } else {
    const auto card = html.in("p", {{"class", "card"}, {"id", "gone"}});
    html.text("It is not in the queue: delivered, given up, or never here.");
  }
  const Json of_message{{"id", id}, {"limit", most_in_trail}};
  const admin::Answer lines = co_await call.ask("log.recent", of_message);
  put_trail(html, part_of(lines.body, "lines"));
  const Json by_id{{"id", id}};
  const admin::Answer record = co_await call.ask("ledger.trail", by_id);
  put_on_record(html, record);
  if (queued) put_actions(html, call, filter);
  co_return reply;
}

}  // namespace sealpost::web
