// SPDX-License-Identifier: Apache-2.0
#include "web/swim_lane.hpp"

#include <algorithm>

#include "web/svg.hpp"

namespace sealpost::web {
namespace {

constexpr std::size_t most_lanes = 20;
constexpr double lanes_width = 760, names = 210, lanes_right = 16, lane_height = 28, foot = 24;

struct Mark {
  SystemTime when{};
  std::size_t lane = 0;
  std::string event, words;
};

struct Lanes {
  std::vector<std::string> names;
  std::vector<Mark> marks;
};

// Of a log line: "mx.example" is also what stands as "mx.example [192.0.2.1]:25".
std::string host_of(const Json& line) {
  const std::string mx = words_of(line, "mx");
  if (mx.empty()) return words_of(line, "event") == "accepted" ? "taken in" : "no host";
  return mx.substr(0, mx.find_first_of(" ["));
}

Lanes lanes_of(const Json& lines) {
  Lanes lanes;
  for (const Json& line : lines) {
    const auto when = from_rfc3339(words_of(line, "time"));
    if (!when) continue;
    const std::string host = host_of(line);
    auto lane = std::find(lanes.names.begin(), lanes.names.end(), host);
    if (lane == lanes.names.end()) {
      if (lanes.names.size() == most_lanes) continue;
      lane = lanes.names.insert(lanes.names.end(), host);
    }
    Mark mark;
    mark.when = *when;
    mark.lane = static_cast<std::size_t>(lane - lanes.names.begin());
    mark.event = words_of(line, "event");
    mark.words = mark.event + " " + words_of(line, "time");
    for (const char* key : {"reply", "why"})
      if (const std::string more = words_of(line, key); !more.empty()) mark.words += ": " + more;
    lanes.marks.push_back(std::move(mark));
  }
  return lanes;
}

unsigned colour_of(const std::string& event) {
  switch (tone_of_event(event)) {
    case Tone::good: return 1;
    case Tone::warn: return 3;
    case Tone::bad: return 4;
    case Tone::plain: break;
  }
  return 2;
}

}  // namespace

Tone tone_of_event(const std::string& event) {
  if (event == "delivered") return Tone::good;
  if (event == "deferred" || event == "message_held" || event == "rerouted") return Tone::warn;
  if (event == "bounced" || event == "failed" || event == "host_refused" || event == "message_removed")
    return Tone::bad;
  return Tone::plain;
}

void put_swim_lanes(Html& html, const Json& lines) {
  const Lanes lanes = lanes_of(lines);
  if (lanes.marks.empty()) return;
  const SystemTime first = lanes.marks.front().when;
  const double span = std::max(1.0, std::chrono::duration<double>(lanes.marks.back().when - first).count());
  const double height = lane_height * static_cast<double>(lanes.names.size()) + foot;
  const auto figure = html.in("figure");
  {
    const auto box = html.in("div", {{"class", "plot"},
                                     {"tabindex", "0"},
                                     {"role", "region"},
                                     {"aria-label", "Attempts by host and time"}});
    const auto svg =
        html.in("svg", {{"viewBox", "0 0 " + at(lanes_width) + " " + at(height)}, {"role", "img"}});
    html.put("title", "Attempts by host and time");
    html.put("desc", "A lane for each host; the same stands in the table below.");
    for (std::size_t i = 0; i < lanes.names.size(); ++i) {
      const double y = lane_height * (static_cast<double>(i) + 0.5);
      html.put("line",
               {{"class", "axis"},
                {"x1", at(names)},
                {"x2", at(lanes_width - lanes_right)},
                {"y1", at(y)},
                {"y2", at(y)}},
               "");
      html.put("text", {{"class", "label end"}, {"x", at(names - 14)}, {"y", at(y + 4)}},
               lanes.names[i].substr(0, 34));
    }
    for (const Mark& mark : lanes.marks) {
      const double along = std::chrono::duration<double>(mark.when - first).count() / span;
      const auto circle =
          html.in("circle", {{"class", "f" + std::to_string(colour_of(mark.event))},
                             {"cx", at(names + 6 + (lanes_width - lanes_right - names - 12) * along)},
                             {"cy", at(lane_height * (static_cast<double>(mark.lane) + 0.5))},
                             {"r", 6}});
      html.put("title", mark.words);
    }
    html.put("text", {{"class", "label"}, {"x", at(names)}, {"y", at(height - 6)}},
             to_rfc3339(first).substr(11, 8));
    html.put("text", {{"class", "label end"}, {"x", at(lanes_width - lanes_right)}, {"y", at(height - 6)}},
             to_rfc3339(lanes.marks.back().when).substr(11, 8));
  }
  const auto legend = html.in("ul", {{"class", "legend"}});
  for (const auto& [colour, words] : {std::pair(1U, "delivered"), std::pair(3U, "deferred"),
                                      std::pair(4U, "refused or given up"), std::pair(2U, "taken in")}) {
    const auto item = html.in("li");
    html.put("span", {{"class", "key b" + std::to_string(colour)}, {"aria-hidden", "true"}}, "");
    html.text(words);
  }
}

}  // namespace sealpost::web
