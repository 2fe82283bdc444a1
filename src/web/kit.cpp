// SPDX-License-Identifier: Apache-2.0
#include "web/kit.hpp"

#include <algorithm>
#include <chrono>

#include "base/amounts.hpp"
#include "base/text.hpp"
#include "base/words.hpp"

namespace sealpost::web {

const Json& part_of(const Json& object, const char* key) {
  static const Json nothing;
  if (!object.is_object()) return nothing;
  const auto found = object.find(key);
  return found == object.end() ? nothing : *found;
}

std::string words_of(const Json& object, const char* key) {
  const Json& value = part_of(object, key);
  if (value.is_string()) return value.get<std::string>();
  return value.is_null() ? std::string() : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::uint64_t number_of(const Json& object, const char* key) {
  const Json& value = part_of(object, key);
  if (value.is_number_unsigned()) return value.get<std::uint64_t>();
  return value.is_number() && value.get<double>() > 0 ? static_cast<std::uint64_t>(value.get<double>()) : 0;
}

bool flag_of(const Json& object, const char* key) {
  const Json& value = part_of(object, key);
  return value.is_boolean() && value.get<bool>();
}

std::string listed(const Json& list) {
  std::string all;
  if (list.is_array())
    for (const Json& one : list)
      if (one.is_string()) all += (all.empty() ? "" : ", ") + one.get<std::string>();
  return all;
}

std::string_view name_of(Tone tone) noexcept {
  switch (tone) {
    case Tone::plain: return "";
    case Tone::good: return "good";
    case Tone::warn: return "warn";
    case Tone::bad: return "bad";
  }
  return "";
}

void put_tag(Html& html, Tone tone, std::string_view words) {
  html.put("span", {{"class", "tag " + std::string(name_of(tone))}}, words);
}

void put_time(Html& html, std::string_view rfc3339) {
  const auto time = from_rfc3339(rfc3339);
  if (!time) return html.text(rfc3339.empty() ? "-" : rfc3339);
  const std::string whole = to_rfc3339(*time);
  html.put("time", {{"datetime", whole}}, whole.substr(0, 10) + " " + whole.substr(11, 5) + " UTC");
}

std::string age_of(std::string_view rfc3339, SystemTime now) {
  const auto time = from_rfc3339(rfc3339);
  if (!time) return {};
  return text::about(
      std::max<std::int64_t>(0, std::chrono::floor<std::chrono::seconds>(now - *time).count()));
}

Table::Table(Html& html, std::string_view caption, std::vector<Column> columns, std::string_view kind)
    // What scrolls can be reached by keyboard, and says what it is.
    : box_(html.in("div",
                   {{"class", "wide"}, {"tabindex", "0"}, {"role", "region"}, {"aria-label", caption}})),
      table_(html.in("table", {{"class", kind}})) {
  html.put("caption", caption);
  const auto head = html.in("thead");
  const auto row = html.in("tr");
  for (const Column& column : columns) {
    if (column.number)
      html.put("th", {{"scope", "col"}, {"class", "n"}}, column.name);
    else
      html.put("th", {{"scope", "col"}}, column.name);
  }
}

void put_cell(Html& html, std::string_view words) { html.put("td", words.empty() ? "-" : words); }

void put_number(Html& html, std::uint64_t number) { html.put("td", {{"class", "n"}}, text::grouped(number)); }

void put_row_head(Html& html, std::string_view words) { html.put("th", {{"scope", "row"}}, words); }

void put_fact(Html& html, std::string_view name, std::string_view value) {
  html.put("dt", name);
  html.put("dd", value.empty() ? "-" : value);
}

void put_figure(Html& html, std::string_view name, std::string_view value) {
  const auto box = html.in("div");
  html.put("dt", name);
  html.put("dd", value);
}

void put_field(Html& html, Key id, std::string_view label, std::string_view value, std::string_view example) {
  const auto box = html.in("div");
  html.put("label", {{"for", id.text}}, label);
  html.alone("input", {{"id", id.text},
                       {"name", id.text},
                       {"value", value},
                       {"placeholder", example},
                       {"autocapitalize", "none"},
                       {"spellcheck", "false"}});
}

void put_choice(Html& html, Key id, std::string_view label, std::string_view value,
                const std::vector<std::string_view>& words) {
  const auto box = html.in("div");
  html.put("label", {{"for", id.text}}, label);
  const auto select = html.in("select", {{"id", id.text}, {"name", id.text}});
  for (const std::string_view word : words) {
    const std::string_view shown = word.empty() ? "any" : word;
    if (word == value)
      html.put("option", {{"value", word}, {"selected", ""}}, shown);
    else
      html.put("option", {{"value", word}}, shown);
  }
}

void put_left_out(Html& html, const Json& evidence) {
  if (const Json& days = part_of(evidence, "days"); flag_of(evidence, "cut") && !days.empty())
    html.put("p", {{"class", "card warn"}},
             "There are too many records to read them all: these are from " + words_of(days[0], "day") +
                 " on. Of one domain there may be more.");
  if (const auto damaged = number_of(evidence, "damaged"); damaged > 0)
    html.put("p", {{"class", "card warn"}}, text::grouped(damaged) + " records are damaged and not counted.");
}

}  // namespace sealpost::web
