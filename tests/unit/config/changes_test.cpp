// SPDX-License-Identifier: Apache-2.0
#include "config/changes.hpp"

#include <doctest.h>

#include <algorithm>

#include "config/config.hpp"

using namespace sealpost;
using namespace sealpost::app;

namespace {

WrittenValues written(std::string_view text) {
  Findings findings;
  const auto table = parse_toml_text(text, "test", findings);
  REQUIRE(table);
  return written_values(*table);
}

using Keys = std::vector<std::string>;

}  // namespace

TEST_CASE("every value has its path, entries of arrays of tables their number") {
  const WrittenValues values = written(
      "hostname = \"a\"\n[delivery]\nretry = [\"5m\", \"10m\"]\ntimeouts = { mail = \"5m\" }\n"
      "[[route]]\ndomain = \"*\"\n[[route]]\ndomain = \"b.example\"\n");
  CHECK(values.size() == 5);
  CHECK(values.count("delivery.timeouts.mail") == 1);
  CHECK(values.count("route.1.domain") == 1);
}

TEST_CASE("T-52: a reload names the changed keys that wait for a restart, and no others") {
  const WrittenValues before = written(
      "data_dir = \"a\"\n[tls]\ncertificate = \"c1\"\ntrust = \"t1\"\n[delivery]\nlifetime = \"5d\"\n"
      "[[listener]]\naddress = \"127.0.0.1:25\"\nallow = [\"127.0.0.0/8\"]\n"
      "[[route]]\ndomain = \"*\"\nrelay = \"one.example\"\n");
  CHECK(keys_for_restart(before, before).empty());
  CHECK(keys_for_restart(
            before, written("data_dir = \"a\"\n[tls]\ncertificate = \"c2\"\ntrust = \"t1\"\n"
                            "[delivery]\nlifetime = \"4d\"\nretry = [\"1m\"]\ntimeouts = { mail = \"9m\" }\n"
                            "[[listener]]\naddress = \"127.0.0.1:25\"\nallow = []\n"
                            "[[route]]\ndomain = \"*\"\nrelay = \"one.example\"\n"))
            .empty());
  CHECK(
      keys_for_restart(before, written("data_dir = \"b\"\n[tls]\ncertificate = \"c1\"\ntrust = \"t2\"\n"
                                       "[limits]\nbody_memory = 1\n[[listener]]\naddress = \"127.0.0.1:26\"\n"
                                       "allow = [\"127.0.0.0/8\"]\n")) ==
      Keys{"data_dir", "limits.body_memory", "listener.address"});
}

TEST_CASE("T-52: a reload names the keys that it takes over, those that are no longer written too") {
  const WrittenValues before =
      written("data_dir = \"a\"\n[delivery]\nlifetime = \"5d\"\nretry = [\"1m\"]\n[dane]\nenabled = true\n");
  CHECK(keys_taken_over(before, before).empty());
  CHECK(keys_taken_over(before, written("data_dir = \"b\"\n[delivery]\nlifetime = \"5d\"\nretry = "
                                        "[\"2m\"]\ndelay_notice = \"1h\"\n")) ==
        Keys{"dane.enabled", "delivery.delay_notice", "delivery.retry"});
}

TEST_CASE("the keys that a reload takes over are keys that exist") {
  const Keys known = known_keys();
  for (const char* key : {"listener.allow",
                          "tls.certificate",
                          "tls.also.certificate",
                          "delivery.timeouts.mail",
                          "delivery.retry",
                          "delivery.lifetime",
                          "delivery.delay_notice",
                          "dane.enabled",
                          "dkim.key",
                          "policies.directory",
                          "limits.message_size",
                          "limits.body_memory",
                          "evidence.keep_days",
                          "postmaster",
                          "mta_sts.enabled",
                          "delivery.ipv6",
                          "delivery.idle_connection",
                          "alerts.mail",
                          "alerts.after",
                          "tls.trust",
                          "route.relay",
                          "route.host.address"}) {
    CAPTURE(key);
    CHECK(std::find(known.begin(), known.end(), key) != known.end());
  }
}
