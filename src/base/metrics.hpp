// SPDX-License-Identifier: Apache-2.0
//
// The registry of everything that is counted: each number once, with its name, what it means and how it is read.
// `/metrics` and `status` are two ways to write it down (ADR 38). Names and text are those of Prometheus (text format
// 0.0.4). What a label may say is known when the number is registered or bounded by who reads it, and is never a
// domain, an address or anything else of a stranger's (T-59).
//
//   registry.counter("sealpost_intake_messages_total", "Messages taken in.", "intake.messages", counters.messages);
//
// Filled once, read on one thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/histogram.hpp"

namespace sealpost::metrics {

using Labels = std::vector<std::pair<std::string, std::string>>;

struct Sample {
  Sample(Labels labels_, double value_) : labels(std::move(labels_)), value(value_) {}
  Labels labels;
  double value;
};

class Registry {
 public:
  using Read = std::function<double()>;
  using ReadAll = std::function<std::vector<Sample>()>;

  // `where`: under which keys `status` shows it, "intake.messages"; empty: not there. Throws std::logic_error for what no
  // reader of metrics would take: a name without "sealpost_", a counter without "_total", the same number twice.
  void counter(std::string_view name, std::string_view help, std::string_view where, Read read,
               Labels labels = {});
  void counter(std::string_view name, std::string_view help, std::string_view where,
               const std::atomic<std::uint64_t>& value, Labels labels = {});
  void gauge(std::string_view name, std::string_view help, std::string_view where, Read read,
             Labels labels = {});
  // Several of one name, whose labels are known when they are read.
  void gauges(std::string_view name, std::string_view help, ReadAll read);
  void histogram(std::string_view name, std::string_view help, const Histogram& histogram,
                 Labels labels = {});

  std::string exposition() const;
  static constexpr std::string_view media_type = "text/plain; version=0.0.4; charset=utf-8";

  // Each number that status shows, in the order of registration.
  void each_of_status(const std::function<void(std::string_view where, double value)>& take) const;
  std::vector<std::string> names()
      const;  // of the families, in order; for the test against docs/monitoring.md

 private:
  enum class Kind : std::uint8_t { counter, gauge, histogram };
  struct Entry {
    Labels labels;
    std::string where;
    Read read;
    ReadAll read_all;
    const Histogram* histogram = nullptr;
  };
  struct Family {
    std::string name, help;
    Kind kind = Kind::gauge;
    std::vector<Entry> entries;
  };
  void add(Kind kind, std::string_view name, std::string_view help, Entry entry);

  std::vector<Family> families_;
};

// As the text format wants them. Octets that are no UTF-8 become U+FFFD.
std::string escape_label(std::string_view value);
std::string escape_help(std::string_view text);
std::string number_text(double value);  // "17", "0.25", "NaN", "+Inf", "-Inf"

}  // namespace sealpost::metrics
