// SPDX-License-Identifier: Apache-2.0
#include "admin/queue_filter.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "mail/address.hpp"

namespace sealpost::admin {
namespace {

constexpr std::array<std::string_view, 4> states = {"active", "waiting", "deferred", "held"};
constexpr std::array<std::string_view, 8> words_known = {"sender", "recipient", "domain", "next_hop",
                                                         "policy", "reason",    "state",  "older"};
// Of all `queue` commands: each of them reads its own.
constexpr std::array<std::string_view, 10> arguments_known = {"filter", "all", "preview", "as_of",  "counted",
                                                              "note",   "by",  "limit",   "offset", "to"};
constexpr const char* how_to_narrow =
    "id is a list of queue ids; sender, recipient, domain, next_hop, policy, reason, state and older are "
    "strings; leave out what does not matter";
constexpr std::size_t most_ids = 10'000;

bool is_ascii(std::string_view s) {
  return std::all_of(s.begin(), s.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// The queue knows domains in A-labels.
std::string as_queued(std::string pattern) {
  if (is_ascii(pattern)) return pattern;
  const auto at = pattern.rfind('@');
  const std::string local = at == std::string::npos ? "" : pattern.substr(0, at + 1);
  const auto labels = to_a_labels(at == std::string::npos ? pattern : pattern.substr(at + 1));
  return labels ? local + *labels : pattern;
}

std::string bad_ids(const Json& list, std::vector<MessageId>& into) {
  if (!list.is_array()) return "the ids are no list";
  if (list.size() > most_ids) return "more than 10000 queue ids at once";
  for (const Json& text : list) {
    const auto id = text.is_string() ? MessageId::parse(text.get<std::string>()) : std::nullopt;
    if (!id)
      return "'" + text::printable(text.is_string() ? text.get<std::string>() : text.dump(), 64) +
             "' is not a queue id";
    into.push_back(*id);
  }
  std::sort(into.begin(), into.end());
  into.erase(std::unique(into.begin(), into.end()), into.end());
  return {};
}

// A key that is passed over would widen what is meant, up to all mail.
std::string unknown_argument(const Json& arguments) {
  if (!arguments.is_object()) return "the arguments are no object";
  for (const auto& [key, value] : arguments.items())
    if (std::find(arguments_known.begin(), arguments_known.end(), key) == arguments_known.end())
      return "'" + text::printable(key, 64) + "' is no argument of a queue command";
  return {};
}

// Neither may what was meant to narrow and is empty: it would mean everything.
std::string bad_shape(const Json& filter) {
  if (!filter.is_object()) return "the filter is no object";
  for (const auto& [key, value] : filter.items()) {
    const std::string name = "'" + text::printable(key, 64) + "'";
    const bool known = std::find(words_known.begin(), words_known.end(), key) != words_known.end();
    if (key != "id" && !known) return name + " is nothing that mail of the queue can be told by";
    if (known && !value.is_string()) return name + " of the filter is no string";
    if (value.empty() || value == "") return name + " of the filter is empty";
  }
  return {};
}

}  // namespace

Expected<queue::Filter, FilterError> filter_of(const Json& arguments) {
  if (std::string wrong = unknown_argument(arguments); !wrong.empty())
    return Unexpected(FilterError{
        std::move(wrong), "which mail is meant stands in filter: {\"filter\": {\"domain\": \"a.example\"}}"});
  const auto found = arguments.find("filter");
  const Json given = found == arguments.end() ? Json::object() : *found;
  if (std::string wrong = bad_shape(given); !wrong.empty())
    return Unexpected(FilterError{std::move(wrong), how_to_narrow});
  queue::Filter filter;
  if (given.contains("id"))
    if (std::string wrong = bad_ids(given["id"], filter.ids); !wrong.empty())
      return Unexpected(FilterError{
          std::move(wrong), "a queue id has 26 letters and digits, as 'sealpost queue list' shows them"});
  const auto pattern = [&](const char* key) { return as_queued(given.value(key, std::string())); };
  filter.sender = pattern("sender");
  filter.recipient = pattern("recipient");
  filter.domain = pattern("domain");
  filter.next_hop = pattern("next_hop");
  filter.policy = given.value("policy", std::string());
  filter.reason = given.value("reason", std::string());
  if (filter.reason.starts_with('~')) filter.reason.erase(0, 1);
  if (given.contains("reason") && filter.reason.empty())
    return Unexpected(FilterError{"the reason to look for is empty", "give words of it, or leave it out"});
  filter.state = given.value("state", std::string());
  if (!filter.state.empty() && std::find(states.begin(), states.end(), filter.state) == states.end())
    return Unexpected(FilterError{"'" + text::printable(filter.state, 64) + "' is no state of mail",
                                  "states are active, waiting, deferred and held"});
  const std::string older = given.value("older", std::string());
  if (older.empty()) return filter;
  const auto age = parse_duration(older);
  if (!age)
    return Unexpected(FilterError{"'" + text::printable(older, 64) + "' is not how long ago",
                                  "write 30s, 15m, 2h, 5d or 1h30m"});
  filter.older = *age;
  return filter;
}

}  // namespace sealpost::admin
