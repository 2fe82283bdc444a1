// SPDX-License-Identifier: Apache-2.0
//
// What follows from a walk along hosts none of which would do: for now or for good, and in whose words.
#include "delivery/walk.hpp"

#include <doctest.h>

using namespace sealpost;
using namespace sealpost::delivery;

namespace {

Refusal policy(std::string status) {
  Refusal refusal(std::move(status), "policy");
  refusal.by_policy = true;
  return refusal;
}

// Per host a row of words, one for each thing met there.
Refusal after(const std::vector<std::vector<std::string>>& hosts) {
  Walk walk(5000);
  for (const auto& met : hosts) {
    walk.next_host();
    for (const std::string& word : met) {
      if (word == "unreachable") walk.unreachable(Refusal("4.4.1", "connect"));
      if (word == "greeting-4yz") walk.failed(Refusal("4.3.2", "later"));
      if (word == "521") walk.failed(Refusal("5.3.2", "521 no mail here"));
      if (word == "absent") walk.absent(Refusal("5.4.4", "mx does not exist"));
      if (word == "lookup-failed") walk.absent(Refusal("4.4.3", "lookup failed"));
      if (word == "sts") walk.refused_by_policy(policy("4.7.5"));
      if (word == "no-requiretls") walk.refused_by_policy(policy("5.7.30"));
      if (word == "bad-tls-requiretls") walk.refused_by_policy(policy("5.7.10"));
      if (word == "small") walk.too_big(100, "mx");
      if (word == "busy") walk.no_place("mx", 10);
    }
  }
  return walk.conclude("b.example");
}

}  // namespace

TEST_CASE("M20 M24 T4 the end is final only when every host's word is") {
  const struct {
    const char* name;
    std::vector<std::vector<std::string>> hosts;
    const char* status;
  } rows[] = {
      {"no host left: a loop", {}, "5.4.6"},
      {"no MX host exists", {{"absent"}, {"absent"}}, "5.4.4"},
      {"one does not exist, the other cannot be reached", {{"absent"}, {"unreachable"}}, "4.4.1"},
      {"in the other order, too, what may pass explains the wait", {{"unreachable"}, {"absent"}}, "4.4.1"},
      {"one does not exist, of the other we know nothing", {{"absent"}, {"lookup-failed"}}, "4.4.3"},
      {"521 from all", {{"521"}, {"521"}}, "5.3.2"},
      {"521 from one address of a host, the other is out of reach", {{"unreachable", "521"}}, "5.3.2"},
      {"521 from one address, later from the other", {{"greeting-4yz", "521"}}, "4.3.2"},
      {"521 twice from one host is one host", {{"521", "521"}, {"unreachable"}}, "4.4.1"},
      {"521 and a host that does not exist", {{"521"}, {"absent"}}, "5.4.4"},
      {"a policy unmet is never final by itself (S38)", {{"sts"}, {"521"}}, "4.7.5"},
      {"TLS-05 nobody offers REQUIRETLS", {{"no-requiretls"}, {"no-requiretls"}}, "5.7.30"},
      {"nobody has TLS that will do", {{"bad-tls-requiretls"}}, "5.7.10"},
      {"of two reasons the nearer miss", {{"bad-tls-requiretls"}, {"no-requiretls"}}, "5.7.30"},
      {"in either order", {{"no-requiretls"}, {"bad-tls-requiretls"}}, "5.7.30"},
      {"network trouble stays transient (RFC 8689 §4.2.1)", {{"no-requiretls"}, {"unreachable"}}, "4.7.30"},
      {"one address out of reach is no other host", {{"unreachable", "no-requiretls"}}, "5.7.30"},
      {"REQUIRETLS and another policy that may be mended", {{"no-requiretls"}, {"sts"}}, "4.7.30"},
      {"too big for all", {{"small"}, {"small"}}, "5.3.4"},
      {"too big for one, the other away", {{"small"}, {"unreachable"}}, "4.4.1"},
      {"too big for the one that takes mail", {{"small"}, {"521"}}, "5.3.4"},
      {"all our connections are in use", {{"busy"}}, "4.4.5"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    CHECK(after(row.hosts).status == row.status);
  }
}

TEST_CASE("whom it concerns, and whether it was an attempt") {
  CHECK(after({{"small"}}).scope == Refusal::Scope::message);
  CHECK(after({{"small"}, {"unreachable"}}).scope == Refusal::Scope::message);
  CHECK(after({{"unreachable"}}).scope == Refusal::Scope::lane);
  CHECK(after({{"busy"}}).no_place);
  CHECK_FALSE(after({{"busy"}, {"sts"}}).no_place);
  CHECK(after({{"sts"}, {"unreachable"}}).by_policy);
}

TEST_CASE("T-40 at most 16 addresses in one attempt, over all hosts; what was not tried is not final") {
  Walk walk(1);
  std::size_t tried = 0;
  for (int host = 0; host < 10; ++host) {
    walk.next_host();
    for (int i = 0; i < 4; ++i)
      if (walk.take_endpoint()) {
        ++tried;
        walk.failed(Refusal("5.3.2", "521"));
      }
  }
  CHECK(tried == 16);
  CHECK_FALSE(walk.conclude("b.example").permanent());
}
