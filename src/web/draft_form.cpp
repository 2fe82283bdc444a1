// SPDX-License-Identifier: Apache-2.0
#include "web/draft_form.hpp"

#include "base/amounts.hpp"
#include "base/text.hpp"
#include "base/words.hpp"

namespace sealpost::web {
namespace {

constexpr const char* first_draft =
    "[[partner]]\n"
    "name = \"Partner\"\n"
    "domains = [\"partner.example\"]\n"
    "tls = \"verify\"\n";

// As it is in a file: browsers end lines with CR LF.
std::string draft_in(const Form& form) {
  std::string text;
  for (const char c : form.as_typed("draft"))
    if (c != '\r') text += c;
  return text;
}

// Reading them looks for files on the relay's machine and says what is there. That is for who may log in there.
bool names_files(std::string_view draft) noexcept {
  for (const std::string_view word : {"client_", "\\u", "\\U"})
    if (draft.find(word) != draft.npos) return true;
  return false;
}

void put_sums(Html& html, const Json& replay) {
  const auto facts = html.in("dl", {{"class", "figures"}});
  put_figure(html, "Sessions of 30 days", text::grouped(number_of(replay, "sessions")));
  put_figure(html, "Passed then", text::grouped(number_of(replay, "passed_then")));
  put_figure(html, "Pass under the draft", text::grouped(number_of(replay, "passes_now")));
  put_figure(html, "Newly fail", text::grouped(number_of(replay, "newly_failing")));
  put_figure(html, "Newly pass", text::grouped(number_of(replay, "newly_passing")));
  put_figure(html, "Cannot be told", text::grouped(number_of(replay, "unknown_now")));
}

void put_hosts_tried(Html& html, const Json& hosts) {
  const Table table(html, "By domain and host",
                    {{"Domain"},
                     {"Host"},
                     {"Sessions", true},
                     {"Passed then", true},
                     {"Pass", true},
                     {"Fail", true},
                     {"Why"}});
  const auto body = html.in("tbody");
  for (const Json& host : hosts) {
    const auto row = html.in("tr");
    put_row_head(html, words_of(host, "domain"));
    put_cell(html, words_of(host, "mx"));
    for (const char* key : {"sessions", "passed_then", "passes_now", "fails_now"})
      put_number(html, number_of(host, key));
    const auto cell = html.in("td", {{"class", "words"}});
    const auto list = html.in("ul");
    for (const Json& reason : part_of(host, "reasons"))
      html.put("li", text::grouped(number_of(reason, "sessions")) + " x " + words_of(reason, "text"));
  }
}

void put_tried(Html& html, const Json& replay) {
  const auto failing = number_of(replay, "newly_failing");
  {
    const auto card = html.in("div", {{"class", failing > 0 ? "card warn" : "card"}});
    html.put("p", {{"class", "verdict"}, {"id", "tried"}},
             number_of(replay, "sessions") == 0 ? "No session with a domain that it is about is on record."
             : failing == 0                     ? "Nothing that went would have been kept back."
                            : text::counted(failing, "session that went", "sessions that went") +
                                  " would have been kept back.");
    html.put("p", {{"class", "soft"}}, "It is not in force, and does not come into force from here.");
  }
  put_sums(html, replay);
  for (const Json& warning : part_of(replay, "warnings"))
    if (warning.is_string()) html.put("p", {{"class", "card warn"}}, warning.get<std::string>());
  if (const Json& hosts = part_of(replay, "hosts"); hosts.is_array() && !hosts.empty())
    put_hosts_tried(html, hosts);
  if (flag_of(replay, "incomplete"))
    html.put("p", {{"class", "soft small"}}, "There are more sessions than one question reads.");
}

}  // namespace

void put_draft_form(Html& html, const Call& call, std::string_view text) {
  html.put("h2", {{"class", "noprint"}}, "Try a draft");
  html.put("p", {{"class", "soft noprint"}},
           "How would sessions of 30 days have done under these rules, each taken as enforced? Nothing comes "
           "into force.");
  const auto form = html.in_form(Url("/partners"), true);
  call.put_token(html);
  html.alone("input", {{"type", "hidden"}, {"name", "do"}, {"value", "replay"}});
  html.put("label", {{"for", "draft"}}, "Partner file");
  html.put(
      "textarea",
      {{"id", "draft"}, {"name", "draft"}, {"rows", 12}, {"spellcheck", "false"}, {"autocapitalize", "none"}},
      text.empty() ? first_draft : text);
  const auto row = html.in("div", {{"class", "row"}});
  html.put("button", "Hold against the record");
}

std::string draft_of(const Json& rule) {
  std::string text = "[[partner]]\nname = " + Json(words_of(rule, "name")).dump() +
                     "\ndomains = " + part_of(rule, "domains").dump() +
                     "\ntls = " + Json(words_of(rule, "tls")).dump() + "\n";
  if (const Json& mx = part_of(rule, "mx"); mx.is_array() && !mx.empty()) text += "mx = " + mx.dump() + "\n";
  return text;
}

event::Task<Reply> try_draft(const Call& call) {
  const std::string draft = draft_in(call.form);
  Reply reply;
  if (names_files(draft)) {
    const admin::Answer refused(
        400, "a draft is tried here without client certificates, and without \\u in texts",
        "leave client_certificate and client_key out: they change nothing of what is demanded");
    reply = refusal(refused, "Draft");
  } else {
    const Json asked{{"rule", draft}, {"file", "draft"}, {"since", "30d"}};
    const admin::Answer replay = co_await call.ask("policy.replay", asked);
    if (replay.status == 200) {
      reply.title = "Draft";
      put_tried(reply.body, replay.body);
    } else {
      reply = refusal(replay, "Draft");
    }
  }
  put_draft_form(reply.body, call, draft);
  co_return reply;
}

}  // namespace sealpost::web
