// SPDX-License-Identifier: Apache-2.0
#include "base/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "base/text.hpp"

namespace sealpost::metrics {
namespace {

constexpr std::string_view prefix = "sealpost_";
constexpr double exact_integers = 9'007'199'254'740'992.0;  // 2^53

bool is_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::string escape(std::string_view value, bool quotes) {
  std::string escaped;
  while (!value.empty()) {
    const text::Utf8Unit unit = text::decode_utf8(value);
    const std::string_view octets = value.substr(0, unit.length);
    value.remove_prefix(unit.length);
    if (!unit.well_formed)
      escaped += "\xef\xbf\xbd";
    else if (octets == "\\")
      escaped += "\\\\";
    else if (octets == "\n")
      escaped += "\\n";
    else if (octets == "\"" && quotes)
      escaped += "\\\"";
    else
      escaped += octets;
  }
  return escaped;
}

// "{a="1",b="2"}", with one more at the end when `last` has a name; nothing without labels.
std::string label_text(const Labels& labels, std::string_view last = {}, std::string_view last_value = {}) {
  if (labels.empty() && last.empty()) return {};
  std::string text = "{";
  const auto put = [&text](std::string_view name, std::string_view value) {
    if (text.size() > 1) text += ",";
    text.append(name).append("=\"").append(escape_label(value)).append("\"");
  };
  for (const auto& [name, value] : labels) put(name, value);
  if (!last.empty()) put(last, last_value);
  return text + "}";
}

void put_sample(std::string& into, std::string_view name, std::string_view labels, double value) {
  into.append(name).append(labels).append(" ").append(number_text(value)).append("\n");
}

void put_histogram(std::string& into, const std::string& name, const Labels& labels,
                   const Histogram& histogram) {
  const Histogram::Reading reading = histogram.read();
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < reading.counts.size(); ++i) {
    so_far += reading.counts[i];
    const std::string bound = i < reading.bounds.size() ? number_text(reading.bounds[i]) : "+Inf";
    put_sample(into, name + "_bucket", label_text(labels, "le", bound), static_cast<double>(so_far));
  }
  put_sample(into, name + "_sum", label_text(labels), reading.sum);
  put_sample(into, name + "_count", label_text(labels), static_cast<double>(so_far));
}

}  // namespace

std::string escape_label(std::string_view value) { return escape(value, true); }
std::string escape_help(std::string_view text) { return escape(text, false); }

std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value == std::floor(value) && std::abs(value) < exact_integers)
    return fmt::format("{}", static_cast<std::int64_t>(value));
  return fmt::format("{:.15g}", value);  // what a sum in binary fractions lacks or has too much is no news
}

void Registry::add(Kind kind, std::string_view name, std::string_view help, Entry entry) {
  const auto refuse = [name](const char* why) { throw std::logic_error(std::string(name) + ": " + why); };
  if (!is_name(name) || !name.starts_with(prefix)) refuse("no name of a metric of ours");
  if ((kind == Kind::counter) != name.ends_with("_total"))
    refuse("a counter ends in _total, and nothing else");
  if (help.empty()) refuse("says not what it is");
  for (const auto& [label, value] : entry.labels)
    if (!is_name(label) || label == "le") refuse("no name of a label");
  auto family =
      std::find_if(families_.begin(), families_.end(), [&](const Family& f) { return f.name == name; });
  if (family == families_.end()) {
    families_.push_back({std::string(name), std::string(help), kind, {}});
    family = families_.end() - 1;
  } else {
    if (family->kind != kind || family->help != help) refuse("is something else already");
    for (const Entry& other : family->entries)
      if (other.labels == entry.labels || other.read_all || entry.read_all) refuse("is counted twice");
  }
  family->entries.push_back(std::move(entry));
}

void Registry::counter(std::string_view name, std::string_view help, std::string_view where, Read read,
                       Labels labels) {
  add(Kind::counter, name, help, {std::move(labels), std::string(where), std::move(read), {}});
}

void Registry::counter(std::string_view name, std::string_view help, std::string_view where,
                       const std::atomic<std::uint64_t>& value, Labels labels) {
  counter(
      name, help, where, [&value] { return static_cast<double>(value.load(std::memory_order_relaxed)); },
      std::move(labels));
}

void Registry::gauge(std::string_view name, std::string_view help, std::string_view where, Read read,
                     Labels labels) {
  add(Kind::gauge, name, help, {std::move(labels), std::string(where), std::move(read), {}});
}

void Registry::gauges(std::string_view name, std::string_view help, ReadAll read) {
  add(Kind::gauge, name, help, {{}, {}, {}, std::move(read)});
}

void Registry::histogram(std::string_view name, std::string_view help, const Histogram& histogram,
                         Labels labels) {
  Entry entry;
  entry.labels = std::move(labels);
  entry.histogram = &histogram;
  add(Kind::histogram, name, help, std::move(entry));
}

std::string Registry::exposition() const {
  std::string text;
  for (const Family& family : families_) {
    const char* const type = family.kind == Kind::counter ? "counter"
                             : family.kind == Kind::gauge ? "gauge"
                                                          : "histogram";
    text +=
        fmt::format("# HELP {} {}\n# TYPE {} {}\n", family.name, escape_help(family.help), family.name, type);
    for (const Entry& entry : family.entries) {
      if (entry.histogram != nullptr) {
        put_histogram(text, family.name, entry.labels, *entry.histogram);
      } else if (entry.read_all) {
        for (const Sample& sample : entry.read_all())
          put_sample(text, family.name, label_text(sample.labels), sample.value);
      } else {
        put_sample(text, family.name, label_text(entry.labels), entry.read());
      }
    }
  }
  return text;
}

void Registry::each_of_status(const std::function<void(std::string_view, double)>& take) const {
  for (const Family& family : families_)
    for (const Entry& entry : family.entries)
      if (!entry.where.empty()) take(entry.where, entry.read());
}

std::vector<std::string> Registry::names() const {
  std::vector<std::string> names;
  for (const Family& family : families_) names.push_back(family.name);
  return names;
}

}  // namespace sealpost::metrics
