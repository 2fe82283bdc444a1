// SPDX-License-Identifier: Apache-2.0
#include "web/queue_actions.hpp"

#include <array>

#include "base/amounts.hpp"
#include "base/text.hpp"
#include "base/words.hpp"
#include "web/queue_filter_form.hpp"

namespace sealpost::web {
namespace {

struct Verb {
  std::string_view word, what, done;
  bool grave;                     // mail ends by it
  std::string_view command = {};  // when it is not the word
};
constexpr std::string_view another_way = "reroute", as_configured = "as-configured";
constexpr std::array<Verb, 8> verbs = {{
    {"retry", "Try now", "tried now", false},
    {"hold", "Hold", "held", false},
    {"release", "Release", "released", false},
    {another_way, "Reroute: send it to the relay named below", "sent another way", false},
    {as_configured, "Reroute back: where routes and MX records lead", "sent as configured", false, "reroute"},
    {"expire", "Expire: give up, and tell the senders as if the time were over", "given up", true},
    {"bounce", "Bounce: give up now, and tell the senders", "bounced", true},
    {"remove", "Remove: delete, and tell nobody", "removed", true},
}};

const Verb* find_verb(std::string_view word) noexcept {
  for (const Verb& verb : verbs)
    if (verb.word == word) return &verb;
  return nullptr;
}

std::string command_of(const Verb& verb) {
  return "queue." + std::string(verb.command.empty() ? verb.word : verb.command);
}

Json arguments_of(const Call& call, const Verb& verb, const Json& filter) {
  Json arguments{{"filter", filter}};
  if (verb.word == another_way) arguments["to"] = call.form.value("to");
  if (verb.word == as_configured) arguments["to"] = "";
  if (filter.empty()) arguments["all"] = true;
  // Who did it comes first: a note is cut where it is too long.
  const std::string_view why = call.form.value("note");
  arguments["note"] = call.by() + (why.empty() ? "" : ": " + std::string(why));
  return arguments;
}

void put_passed_over(Html& html, const Json& counted) {
  constexpr std::array<std::pair<const char*, const char*>, 6> reasons = {{
      {"in_flight", "are being delivered at this moment"},
      {"held", "are held"},
      {"not_held", "are not held"},
      {"no_sender", "have no sender who could be told"},
      {"going_back", "have failed already, and their senders are about to be told"},
      {"early", "are not to be sent before the time their senders gave"},
  }};
  for (const auto& [key, words] : reasons)
    if (const auto number = number_of(part_of(counted, "passed_over"), key); number > 0)
      html.put("li",
               "Passed over: " + text::counted(number, "recipient", "recipients") + " that " + words + ".");
}

// What else it means, of which the filter says nothing.
void put_besides(Html& html, const Json& counted) {
  const auto recipients = number_of(counted, "recipients"), matching = number_of(counted, "matching"),
             untold = number_of(counted, "untold");
  if (matching < recipients)
    html.put("li", "Of these " + text::counted(recipients, "recipient", "recipients") + " " +
                       text::grouped(matching) + (matching == 1 ? " is" : " are") +
                       " as asked for; the other " + text::grouped(recipients - matching) +
                       (recipients - matching == 1 ? " belongs" : " belong") + " to the same messages.");
  if (untold > 0)
    html.put("li", "Of these " + text::counted(recipients, "recipient", "recipients") + " " +
                       text::grouped(untold) + (untold == 1 ? " has" : " have") +
                       " failed already, and no sender will be told of them any more.");
}

void put_sample(Html& html, const Json& counted) {
  const Json& sample = part_of(counted, "sample");
  if (!sample.is_array() || sample.empty()) return;
  const auto line = html.in("p");
  html.text("Among them: ");
  for (const Json& id : sample) {
    const std::string text = id.is_string() ? id.get<std::string>() : std::string();
    html.link(Url("/message").with("id", text), text, {{"class", "mono"}});
    html.text(" ");
  }
}

void put_way(Html& html, std::string_view to) {
  html.put("p", {{"id", "to"}}, "To: " + std::string(to) + ".");
  html.put(
      "p", {{"class", "soft"}},
      "What partner rules demand holds there, too, and a relay that no route names must be verified by its "
      "name. It lasts until the mail has gone, through restarts.");
}

// Counted, and not done yet. What is confirmed is what was counted: the command sees to that.
Reply confirmation(const Call& call, const Verb& verb, const Json& filter, const Json& counted) {
  Reply reply;
  reply.title = "Confirm: " + std::string(verb.word);
  Html& html = reply.body;
  const auto recipients = number_of(counted, "recipients");
  {
    const auto card = html.in("div", {{"class", verb.grave ? "card bad" : "card warn"}});
    html.put("p", {{"class", "verdict"}, {"id", "counted"}},
             text::counted(number_of(counted, "messages"), "message", "messages") + ", " +
                 text::counted(recipients, "recipient", "recipients"));
    html.put("p", "Of: " + in_words(filter) + ".");
    if (verb.word == another_way) put_way(html, call.form.value("to"));
    if (verb.grave) html.put("p", "This cannot be taken back.");
    const auto list = html.in("ul");
    put_besides(html, counted);
    put_passed_over(html, counted);
  }
  put_sample(html, counted);
  if (recipients > 0) {
    const auto form = html.in_form(Url("/queue"), true);
    call.put_token(html);
    put_filter_hidden(html, filter);
    for (const auto& [name, value] :
         {std::pair("do", std::string(verb.word)), std::pair("confirmed", std::string("yes")),
          std::pair("as_of", words_of(counted, "as_of")), std::pair("counted", std::to_string(recipients)),
          std::pair("note", std::string(call.form.value("note"))),
          std::pair("to", std::string(verb.word == another_way ? call.form.value("to") : ""))})
      if (name != std::string_view("to") || !value.empty())
        html.alone("input", {{"type", "hidden"}, {"name", name}, {"value", value}});
    if (filter.empty() && verb.grave) {
      const auto line = html.in("p");
      html.alone("input",
                 {{"type", "checkbox"}, {"id", "all"}, {"name", "all"}, {"value", "yes"}, {"required", ""}});
      html.put("label", {{"for", "all"}}, "Yes, all mail of the queue");
    }
    const auto row = html.in("div", {{"class", "row"}});
    html.put("button", {{"class", verb.grave ? "grave" : ""}},
             "Yes: " + std::string(verb.word) + " " + text::counted(recipients, "recipient", "recipients"));
    html.link(with_filter(Url("/queue"), filter), "No, back to the queue", {{"class", "button quiet"}});
  } else {
    html.put("p", "There is nothing it could be done to.");
    html.link(with_filter(Url("/queue"), filter), "Back to the queue");
  }
  return reply;
}

}  // namespace

void put_actions(Html& html, const Call& call, const Json& filter) {
  if (!call.may(auth::Role::operating)) return;
  html.put("h2", {{"class", "noprint"}}, "Do something to " + in_words(filter));
  const auto form = html.in_form(Url("/queue"), true);
  call.put_token(html);
  put_filter_hidden(html, filter);
  const auto row = html.in("div", {{"class", "row"}});
  {
    const auto box = html.in("div");
    html.put("label", {{"for", "do"}}, "What");
    const auto select = html.in("select", {{"id", "do"}, {"name", "do"}});
    for (const Verb& verb : verbs) html.put("option", {{"value", verb.word}}, verb.what);
  }
  put_field(html, "to", "Relay, to reroute", {}, "[smtp.example.net]:587");
  put_field(html, "note", "Why (for the record)", {});
  html.put("button", "Count first");
}

event::Task<Reply> act_on_queue(const Call& call) {
  const Json filter = filter_of(call.form);
  const Verb* verb = find_verb(call.form.value("do"));
  if (verb == nullptr) {
    const admin::Answer unknown(400, "this is nothing that can be done to mail",
                                "go back, and choose something");
    co_return refusal(unknown, "Queue");
  }
  if (verb->word == another_way && call.form.value("to").empty()) {
    const admin::Answer nowhere(
        400, "it is not said where the mail is to go",
        "go back, and name a relay, as in a [[route]]: smtp.example.net:587 is the MX hosts of "
        "that name, [smtp.example.net]:587 the host itself");
    co_return refusal(nowhere, "Nothing was done");
  }
  Json arguments = arguments_of(call, *verb, filter);
  const std::string command = command_of(*verb);
  if (call.form.value("confirmed") != "yes") {
    arguments["preview"] = true;
    const admin::Answer counted = co_await call.ask(command, std::move(arguments));
    if (counted.status != 200) co_return refusal(counted, "Nothing was done");
    co_return confirmation(call, *verb, filter, counted.body);
  }
  if (filter.empty() && verb->grave && call.form.value("all") != "yes") {
    const admin::Answer unsure(400, "it was not said that all mail of the queue is meant",
                               "go back, and say so");
    co_return refusal(unsure, "Nothing was done");
  }
  const auto as_of = Json::parse(call.form.value("as_of"), nullptr, false);
  const auto counted = text::parse_u64(call.form.value("counted"));
  if (!as_of.is_number_integer() || !counted) {
    const admin::Answer uncounted(400, "what was counted is missing",
                                  "begin again, on the page of the queue");
    co_return refusal(uncounted, "Nothing was done");
  }
  arguments["as_of"] = as_of;
  arguments["counted"] = *counted;
  const admin::Answer done = co_await call.ask(command, std::move(arguments));
  if (done.status != 200) co_return refusal(done, "Not done, or in part");
  const auto left = number_of(done.body, "left");
  call.note(text::counted(number_of(done.body, "messages"), "message", "messages") + " (" +
            text::counted(number_of(done.body, "recipients"), "recipient", "recipients") + ") " +
            std::string(verb->done) + (left > 0 ? "; there are more: count again and go on." : "."));
  co_return see(with_filter(Url("/queue"), filter));
}

}  // namespace sealpost::web
