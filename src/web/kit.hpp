// SPDX-License-Identifier: Apache-2.0
//
// What pages are put together from: tables, facts, tags, times, pictures. Values are read from the answers of commands; one
// that is not there is shown as a dash, never made up.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "web/html.hpp"
#include "web/page.hpp"

namespace sealpost::web {

// Of an object. Absent, null or of another kind: empty, 0, false.
std::string words_of(const Json& object, const char* key);
std::uint64_t number_of(const Json& object, const char* key);
bool flag_of(const Json& object, const char* key);
const Json& part_of(const Json& object, const char* key);  // null when it is not there

std::string listed(const Json& list);  // its strings: "a, b"

enum class Tone : std::uint8_t { plain, good, warn, bad };
std::string_view name_of(Tone tone) noexcept;
void put_tag(Html& html, Tone tone, std::string_view words);
void put_time(Html& html, std::string_view rfc3339);           // 2026-01-31 13:05 UTC
std::string age_of(std::string_view rfc3339, SystemTime now);  // "2h13m"; empty: no time

struct Column {
  std::string_view name;
  bool number = false;
};
// <div class="wide"><table>: scrolls by itself where it is wider than the screen.
class Table {
 public:
  Table(Html& html, std::string_view caption, std::vector<Column> columns, std::string_view kind = {});

 private:
  Html::Element box_, table_;
};
void put_cell(Html& html, std::string_view words);
void put_number(Html& html, std::uint64_t number);
void put_row_head(Html& html, std::string_view words);

void put_fact(Html& html, std::string_view name, std::string_view value);    // of dl.facts
void put_figure(Html& html, std::string_view name, std::string_view value);  // of dl.figures

void put_left_out(Html& html, const Json& evidence);  // of "evidence.days": what it could not count

// A field of a filter: label and input.
void put_field(Html& html, Key id, std::string_view label, std::string_view value,
               std::string_view example = {});
void put_choice(Html& html, Key id, std::string_view label, std::string_view value,
                const std::vector<std::string_view>& words);

// Stacked columns or areas over time. Values by series, then by place.
struct Picture {
  std::string title, about;         // about: what it shows, in words, for who does not see it
  std::vector<std::string> places;  // under the axis; empty ones are left out
  std::vector<std::string> names;   // of places, for the table; as many
  struct Series {
    std::string name;
    unsigned colour = 1;  // 1 to 6
    std::vector<std::uint64_t> values;
  };
  std::vector<Series> series;
  std::string place_is;  // what a place is: "From", "Day"
};
void put_columns(Html& html, const Picture& picture);
void put_areas(Html& html, const Picture& picture);

}  // namespace sealpost::web
