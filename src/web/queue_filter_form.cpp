// SPDX-License-Identifier: Apache-2.0
#include "web/queue_filter_form.hpp"

#include <array>

#include "base/text.hpp"

namespace sealpost::web {
namespace {

constexpr std::array<const char*, 8> words = {"domain", "sender", "recipient", "next_hop",
                                              "reason", "policy", "state",     "older"};

std::string ids_of(const Json& filter) {
  std::string all;
  for (const Json& id : part_of(filter, "id"))
    if (id.is_string()) all += (all.empty() ? "" : " ") + id.get<std::string>();
  return all;
}

}  // namespace

Json filter_of(const Form& form) {
  Json filter = Json::object();
  for (const char* word : words)
    if (const std::string_view value = form.value(word); !value.empty()) filter[word] = value;
  for (const std::string_view id : text::split(form.value("id"), ' '))
    if (!id.empty()) filter["id"].push_back(id);
  return filter;
}

void put_filter_fields(Html& html, const Form& form) {
  put_field(html, "domain", "Domain", form.value("domain"), "partner.example");
  put_field(html, "sender", "Sender", form.value("sender"), "*@here.example");
  put_field(html, "recipient", "Recipient", form.value("recipient"));
  put_field(html, "next_hop", "Next hop", form.value("next_hop"));
  put_field(html, "reason", "Reason has", form.value("reason"), "certificate");
  put_field(html, "policy", "Kept back by", form.value("policy"), "mta-sts");
  put_choice(html, "state", "State", form.value("state"), {"", "waiting", "deferred", "held", "active"});
  put_field(html, "older", "Older than", form.value("older"), "2h");
  put_field(html, "id", "Queue id", form.value("id"));
}

void put_filter_hidden(Html& html, const Json& filter) {
  const auto put = [&html](std::string_view name, const std::string& value) {
    html.alone("input", {{"type", "hidden"}, {"name", name}, {"value", value}});
  };
  for (const char* word : words)
    if (filter.contains(word)) put(word, words_of(filter, word));
  if (filter.contains("id")) put("id", ids_of(filter));
}

Url::Written with_filter(const Url::Written& url, const Json& filter) {
  Url::Written all = url;
  for (const char* word : words) all = all.with(word, words_of(filter, word));
  return all.with("id", ids_of(filter));
}

std::string in_words(const Json& filter) {
  std::string all;
  for (const char* word : words)
    if (filter.contains(word))
      all += (all.empty() ? "" : ", ") + std::string(word) + " " + words_of(filter, word);
  if (filter.contains("id")) all += (all.empty() ? "id " : ", id ") + ids_of(filter);
  return all.empty() ? "all mail of the queue" : all;
}

}  // namespace sealpost::web
