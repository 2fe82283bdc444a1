// SPDX-License-Identifier: Apache-2.0
//
// A lane's worker is its key's hash modulo their number: every number of workers must get its share of lanes, or one
// core does all the delivering.
#include <doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "queue/lane.hpp"

using namespace sealpost;
using namespace sealpost::queue;

namespace {

LaneKey lane_to(const std::string& domain, const std::string& next_hop) {
  LaneKey key;
  key.recipient_domain = domain;
  key.next_hop = next_hop;
  return key;
}

// The smallest and the largest number of lanes that a worker gets.
std::pair<std::size_t, std::size_t> shares(const std::vector<LaneKey>& lanes, std::size_t workers) {
  std::vector<std::size_t> count(workers);
  for (const LaneKey& key : lanes) ++count[key.hash() % workers];
  const auto [least, most] = std::minmax_element(count.begin(), count.end());
  return {*least, *most};
}

}  // namespace

TEST_CASE("lanes spread over any number of workers, by MX and by a relay for all") {
  for (const char* relay : {"", "smtp.provider.example:587"}) {
    std::vector<LaneKey> lanes;
    for (unsigned i = 0; i < 4000; ++i) {
      const std::string domain = "d" + std::to_string(i) + ".example";
      lanes.push_back(lane_to(domain, *relay ? relay : domain));
    }
    for (const std::size_t workers : {2U, 3U, 4U, 6U, 8U, 16U, 32U}) {
      CAPTURE(relay);
      CAPTURE(workers);
      const auto [least, most] = shares(lanes, workers);
      CHECK(least > 4000 / workers / 2);
      CHECK(most < 4000 / workers * 3 / 2);
    }
  }
}

TEST_CASE("what tells lanes apart tells their hashes apart") {
  std::vector<LaneKey> lanes(6, lane_to("a.example", "a.example"));
  lanes[1].requiretls = true;
  lanes[2].tls_required_no = true;
  lanes[3].message_class = MessageClass::report;
  lanes[4].next_hop = "b.example";
  lanes[5].requiretls = lanes[5].requiretls_bounce = true;
  lanes.push_back(lane_to("b.example", "a.example"));
  std::set<std::size_t> hashes;
  for (const LaneKey& key : lanes) hashes.insert(key.hash());
  CHECK(hashes.size() == lanes.size());
}
