// SPDX-License-Identifier: Apache-2.0
//
// Pictures as SVG, of classes that the style sheet colours: the browser is told to take no style from the page itself. Each has
// its words, and its numbers as a table.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/words.hpp"
#include "web/kit.hpp"
#include "web/svg.hpp"

namespace sealpost::web {
namespace {

constexpr double width = 760, height = 200, left = 46, right = 8, top = 10, bottom = 24;
constexpr double widest_column = 48;
constexpr double plot_width = width - left - right, plot_height = height - top - bottom;

// 1, 2, 5, 10, 20, 50 ...: the first that is not below.
std::uint64_t round_above(std::uint64_t value) {
  for (std::uint64_t ten = 1;; ten *= 10)
    for (const unsigned step : {1U, 2U, 5U})
      if (step * ten >= value || ten > UINT64_MAX / 100) return step * ten;
}

std::uint64_t highest(const Picture& picture) {
  std::uint64_t most = 0;
  for (std::size_t i = 0; i < picture.names.size(); ++i) {
    std::uint64_t sum = 0;
    for (const auto& series : picture.series) sum += series.values[i];
    most = std::max(most, sum);
  }
  return most;
}

double up(std::uint64_t value, std::uint64_t most) {
  return top + plot_height - plot_height * static_cast<double>(value) / static_cast<double>(most);
}

void put_axes(Html& html, const Picture& picture, std::uint64_t most) {
  std::vector<std::uint64_t> lines{0, most};
  if (most % 2 == 0) lines.push_back(most / 2);
  for (const std::uint64_t line : lines) {
    const double y = up(line, most);
    html.put("line",
             {{"class", "axis"}, {"x1", at(left)}, {"x2", at(width - right)}, {"y1", at(y)}, {"y2", at(y)}},
             "");
    html.put("text", {{"class", "label end"}, {"x", at(left - 6)}, {"y", at(y + 4)}}, text::grouped(line));
  }
  const double step = plot_width / static_cast<double>(picture.places.size());
  for (std::size_t i = 0; i < picture.places.size(); ++i)
    if (!picture.places[i].empty())
      html.put("text",
               {{"class", "label middle"},
                {"x", at(left + step * (static_cast<double>(i) + 0.5))},
                {"y", at(height - 6)}},
               picture.places[i]);
}

void put_legend(Html& html, const Picture& picture) {
  const auto list = html.in("ul", {{"class", "legend"}});
  for (const auto& series : picture.series) {
    const auto item = html.in("li");
    html.put("span", {{"class", "key b" + std::to_string(series.colour)}, {"aria-hidden", "true"}}, "");
    std::uint64_t sum = 0;
    for (const std::uint64_t value : series.values) sum += value;
    html.text(series.name + " ");
    html.put("b", text::grouped(sum));
  }
}

void put_numbers(Html& html, const Picture& picture) {
  const auto details = html.in("details");
  html.put("summary", "The numbers as a table");
  std::vector<Column> columns{{picture.place_is}};
  for (const auto& series : picture.series) columns.push_back({series.name, true});
  const Table table(html, picture.title, std::move(columns));
  const auto body = html.in("tbody");
  for (std::size_t i = 0; i < picture.names.size(); ++i) {
    const auto row = html.in("tr");
    put_row_head(html, picture.names[i]);
    for (const auto& series : picture.series) put_number(html, series.values[i]);
  }
}

void put_picture(Html& html, const Picture& picture,
                 void (*draw)(Html& html, const Picture& picture, std::uint64_t most)) {
  const auto figure = html.in("figure");
  {
    const auto box = html.in(
        "div",
        {{"class", "plot newest"}, {"tabindex", "0"}, {"role", "region"}, {"aria-label", picture.title}});
    const auto svg = html.in("svg", {{"viewBox", "0 0 " + at(width) + " " + at(height)}, {"role", "img"}});
    html.put("title", picture.title);
    html.put("desc", picture.about);
    const std::uint64_t most = round_above(std::max<std::uint64_t>(highest(picture), 1));
    put_axes(html, picture, most);
    draw(html, picture, most);
  }
  put_legend(html, picture);
  put_numbers(html, picture);
}

void draw_columns(Html& html, const Picture& picture, std::uint64_t most) {
  const double step = plot_width / static_cast<double>(picture.names.size());
  const double wide = std::clamp(step - 2, 1.0, widest_column);
  for (std::size_t i = 0; i < picture.names.size(); ++i) {
    std::uint64_t below = 0;
    std::string words = picture.names[i];
    for (const auto& series : picture.series)
      words += ", " + series.name + " " + text::grouped(series.values[i]);
    const auto group = html.in("g");
    html.put("title", words);
    for (const auto& series : picture.series) {
      const std::uint64_t value = series.values[i];
      if (value == 0) continue;
      const double y = up(below + value, most);
      html.put("rect",
               {{"class", "f" + std::to_string(series.colour)},
                {"x", at(left + step * (static_cast<double>(i) + 0.5) - wide / 2)},
                {"y", at(y)},
                {"width", at(wide)},
                {"height", at(std::max(up(below, most) - y, 1.0))}},
               "");
      below += value;
    }
  }
}

void draw_areas(Html& html, const Picture& picture, std::uint64_t most) {
  const std::size_t places = picture.names.size();
  if (places < 2) return draw_columns(html, picture, most);
  const double step = plot_width / static_cast<double>(places);
  std::vector<std::uint64_t> below(places, 0);
  const auto point = [&](std::size_t i, std::uint64_t value) {
    return at(left + step * (static_cast<double>(i) + 0.5)) + "," + at(up(value, most)) + " ";
  };
  for (const auto& series : picture.series) {
    std::string points;
    for (std::size_t i = 0; i < places; ++i) points += point(i, below[i] + series.values[i]);
    for (std::size_t i = places; i-- > 0;) points += point(i, below[i]);
    const auto area =
        html.in("polygon", {{"class", "f" + std::to_string(series.colour)}, {"points", points}});
    html.put("title", series.name);
    for (std::size_t i = 0; i < places; ++i) below[i] += series.values[i];
  }
}

}  // namespace

void put_columns(Html& html, const Picture& picture) { put_picture(html, picture, draw_columns); }
void put_areas(Html& html, const Picture& picture) { put_picture(html, picture, draw_areas); }

}  // namespace sealpost::web
