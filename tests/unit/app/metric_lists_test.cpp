// SPDX-License-Identifier: Apache-2.0
#include "app/metric_lists.hpp"

#include <doctest.h>

#include <algorithm>
#include <map>

using namespace sealpost;

namespace {

std::map<std::string, double> of_status(const metrics::Registry& registry) {
  std::map<std::string, double> all;
  registry.each_of_status([&all](std::string_view where, double value) {
    CHECK_MESSAGE(all.emplace(where, value).second, where, " is shown twice");
  });
  return all;
}

}  // namespace

TEST_CASE("status and metrics read the same counters") {
  intake::Counters counters;
  intake::ConnectionLimits connections{intake::ConnectionCaps()};
  delivery::Totals totals;
  app::Observed observed;
  observed.workers.resize(2);
  observed.workers[0].waiting = {7, 2, 1, 1, std::chrono::seconds(90)};
  observed.workers[1].waiting = {3, 0, 0, 0, std::chrono::seconds(5)};
  observed.workers[1].sessions = 4;
  metrics::Registry registry;
  app::list_intake(registry, counters, connections, observed);
  app::list_queue(registry, observed);
  app::list_delivery(registry, totals);
  counters.messages = 12;
  totals.delivered = 9;
  totals.age.observe(std::chrono::seconds(2));

  const auto status = of_status(registry);
  CHECK(status.at("intake.messages") == 12);
  CHECK(status.at("intake.sessions") == 4);
  CHECK(status.at("delivery.delivered") == 9);
  CHECK(status.at("queue.recipients") == 10);
  CHECK(status.at("queue.oldest_s") == 90);
  const std::string text = registry.exposition();
  for (const char* line :
       {"sealpost_intake_messages_total 12\n", "sealpost_delivery_delivered_total 9\n",
        "sealpost_queue_recipients 10\n", "sealpost_queue_oldest_seconds 90\n",
        "sealpost_queue_state_recipients{state=\"due\"} 6\n",
        "sealpost_queue_state_recipients{state=\"deferred\"} 2\n", "sealpost_delivery_age_seconds_count 1\n"})
    CHECK_MESSAGE(text.find(line) != text.npos, line);
}

TEST_CASE("T-59 verdicts are counted by who demanded and how it was met, whatever the domain") {
  delivery::Totals totals;
  metrics::Registry registry;
  app::list_delivery(registry, totals);
  const auto lines_now = [&registry] {
    const std::string text = registry.exposition();
    return std::count(text.begin(), text.end(), '\n');
  };
  const auto before = lines_now();
  for (int i = 0; i < 100'000; ++i) {
    Judgement judgement;
    DemandResult result;
    result.source = i % 2 == 0 ? Source::dane : Source::partner;
    result.origin = "domain" + std::to_string(i) + ".test";
    if (i % 4 == 0) result.failures.emplace_back();
    judgement.results.push_back(result);
    totals.verdicts.count(judgement, nullptr);
  }
  HostSkip skip;
  skip.source = Source::mta_sts;
  totals.verdicts.count(Judgement(), &skip);
  totals.verdicts.count(Judgement(), nullptr);
  CHECK(lines_now() == before);
  const std::string text = registry.exposition();
  for (const char* line :
       {"{source=\"dane\",result=\"refused\"} 25000\n", "{source=\"dane\",result=\"satisfied\"} 25000\n",
        "{source=\"partner\",result=\"satisfied\"} 50000\n", "{source=\"mta-sts\",result=\"refused\"} 1\n",
        "{source=\"none\",result=\"satisfied\"} 1\n", "{source=\"requiretls\",result=\"refused\"} 0\n"})
    CHECK_MESSAGE(text.find(line) != text.npos, line);
}
