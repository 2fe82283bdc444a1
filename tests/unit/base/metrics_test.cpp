// SPDX-License-Identifier: Apache-2.0
#include "base/metrics.hpp"

#include <doctest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "base/text.hpp"

using namespace sealpost;
using metrics::Registry;
using metrics::Sample;
using namespace std::chrono_literals;

TEST_CASE("numbers are written as Prometheus reads them") {
  struct Row {
    double value;
    const char* text;
  };
  for (const Row& row :
       {Row{0, "0"}, Row{17, "17"}, Row{-3, "-3"}, Row{0.25, "0.25"}, Row{0.00025, "0.00025"},
        Row{1e9, "1000000000"}, Row{9'007'199'254'740'991.0, "9007199254740991"}, Row{std::nan(""), "NaN"},
        Row{std::numeric_limits<double>::infinity(), "+Inf"},
        Row{-std::numeric_limits<double>::infinity(), "-Inf"}})
    CHECK(metrics::number_text(row.value) == row.text);
}

TEST_CASE("what a label or a help text says cannot end it, and is UTF-8") {
  struct Row {
    std::string_view raw, label, help;
  };
  for (const Row& row :
       {Row{"plain", "plain", "plain"}, Row{"a\"b", "a\\\"b", "a\"b"}, Row{"a\\b", "a\\\\b", "a\\\\b"},
        Row{"a\nb", "a\\nb", "a\\nb"}, Row{"Zürich", "Zürich", "Zürich"},
        Row{"\xff\x41",
            "\xef\xbf\xbd"
            "A",
            "\xef\xbf\xbd"
            "A"},
        Row{"\xc3", "\xef\xbf\xbd", "\xef\xbf\xbd"}}) {
    CHECK(metrics::escape_label(row.raw) == row.label);
    CHECK(metrics::escape_help(row.raw) == row.help);
  }
  std::string all;
  for (int octet = 0; octet < 256; ++octet) all.push_back(static_cast<char>(octet));
  const std::string escaped = metrics::escape_label(all);
  CHECK(text::is_utf8(escaped));
  CHECK(escaped.find('\n') == std::string::npos);
}

TEST_CASE("families are written whole, one after the other, each with what it means") {
  std::atomic<std::uint64_t> taken{3};
  Registry registry;
  registry.counter("sealpost_a_total", "Taken \\ in.", "intake.taken", taken, {{"kind", "x"}});
  registry.gauge("sealpost_b", "Waiting.", "", [] { return 1.5; });
  registry.counter("sealpost_a_total", "Taken \\ in.", "", taken, {{"kind", "say \"y\""}});
  registry.gauges("sealpost_c", "Several.", [] {
    return std::vector<Sample>{Sample({{"of", "1"}, {"or", "2"}}, 1), Sample({}, 2)};
  });
  registry.gauges("sealpost_d", "None now.", [] { return std::vector<Sample>(); });
  taken = 7;
  CHECK(registry.exposition() ==
        "# HELP sealpost_a_total Taken \\\\ in.\n# TYPE sealpost_a_total counter\n"
        "sealpost_a_total{kind=\"x\"} 7\nsealpost_a_total{kind=\"say \\\"y\\\"\"} 7\n"
        "# HELP sealpost_b Waiting.\n# TYPE sealpost_b gauge\nsealpost_b 1.5\n"
        "# HELP sealpost_c Several.\n# TYPE sealpost_c gauge\nsealpost_c{of=\"1\",or=\"2\"} 1\nsealpost_c 2\n"
        "# HELP sealpost_d None now.\n# TYPE sealpost_d gauge\n");
  std::string shown;
  registry.each_of_status([&shown](std::string_view where, double value) {
    shown += std::string(where) + "=" + metrics::number_text(value) + ";";
  });
  CHECK(shown == "intake.taken=7;");
}

TEST_CASE("a histogram's buckets add up, and its last is its count") {
  Histogram histogram(buckets::moment);
  histogram.observe(250us);  // a bound belongs to its bucket
  histogram.observe(251us);
  histogram.observe(-1s);  // of two clocks
  histogram.observe(2min);
  Registry registry;
  registry.histogram("sealpost_took_seconds", "How long.", histogram, {{"way", "out"}});
  const std::string text = registry.exposition();
  CHECK(text.find("# TYPE sealpost_took_seconds histogram\n") != text.npos);
  CHECK(text.find("sealpost_took_seconds_bucket{way=\"out\",le=\"0.00025\"} 2\n") != text.npos);
  CHECK(text.find("sealpost_took_seconds_bucket{way=\"out\",le=\"0.0005\"} 3\n") != text.npos);
  CHECK(text.find("sealpost_took_seconds_bucket{way=\"out\",le=\"60\"} 3\n") != text.npos);
  CHECK(text.find("sealpost_took_seconds_bucket{way=\"out\",le=\"+Inf\"} 4\n") != text.npos);
  CHECK(text.find("sealpost_took_seconds_count{way=\"out\"} 4\n") != text.npos);
  CHECK(text.find("sealpost_took_seconds_sum{way=\"out\"} 120.000501\n") != text.npos);
}

TEST_CASE("what no reader of metrics would take, or would count twice, is refused when it is registered") {
  std::atomic<std::uint64_t> number{0};
  const auto zero = [] { return 0.0; };
  Registry registry;
  registry.counter("sealpost_a_total", "A.", "", number, {{"kind", "x"}});
  CHECK_THROWS_AS(registry.counter("sealpost_a_total", "A.", "", number, {{"kind", "x"}}), std::logic_error);
  CHECK_THROWS_AS(registry.counter("sealpost_a_total", "B.", "", number, {{"kind", "y"}}), std::logic_error);
  CHECK_THROWS_AS(registry.counter("sealpost_b", "B.", "", number), std::logic_error);
  CHECK_THROWS_AS(registry.gauge("sealpost_b_total", "B.", "", zero), std::logic_error);
  CHECK_THROWS_AS(registry.gauge("postfix_b", "B.", "", zero), std::logic_error);
  CHECK_THROWS_AS(registry.gauge("sealpost_Bad", "B.", "", zero), std::logic_error);
  CHECK_THROWS_AS(registry.gauge("sealpost_b", "", "", zero), std::logic_error);
  CHECK_THROWS_AS(registry.gauge("sealpost_b", "B.", "", zero, {{"le", "1"}}), std::logic_error);
  CHECK(registry.names() == std::vector<std::string>{"sealpost_a_total"});
}
