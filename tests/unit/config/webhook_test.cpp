// SPDX-License-Identifier: Apache-2.0
//
// [[webhook]] and [webhooks], and what is wrong with one.
#include <doctest.h>

#include <algorithm>

#include "config/config.hpp"
#include "load_text.hpp"

using namespace sealpost;
using namespace sealpost::app;

namespace {

constexpr std::string_view good_secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n";
const std::string good_webhook = "name = \"crm\"\nurl = \"https://hooks.example.net/x\"\nsecret = \"@\"\n";

struct LoadedHook {
  explicit LoadedHook(const std::string& webhook, std::string_view secret = good_secret, unsigned mode = 0600,
                      const std::string& before = "") {
    const std::string path = directory.file("crm.secret", std::string(secret), mode);
    std::string text = "hostname = \"relay.example.net\"\n" + before + "[[webhook]]\n" + webhook;
    for (std::size_t at = text.find("\"@\""); at != std::string::npos; at = text.find("\"@\""))
      text.replace(at, 3, "\"" + path + "\"");
    result = load_config(directory.file("sealpost.toml", text));
    said = findings(result);
  }
  bool says(const std::string& words) const {
    return std::any_of(said.begin(), said.end(),
                       [&](const std::string& one) { return one.find(words) != std::string::npos; });
  }
  const webhooks::Webhook& webhook() const { return *result.config.webhooks.at(0); }
  Directory directory;
  LoadResult result;
  std::vector<std::string> said;
};

}  // namespace

TEST_CASE("webhooks: what is not said is what most want, and all of it can be said") {
  const LoadedHook plain(good_webhook);
  REQUIRE(plain.result.ok());
  CHECK(plain.webhook().name == "crm");
  CHECK(plain.webhook().kinds.empty());
  CHECK(plain.webhook().batch == 500);
  CHECK(plain.webhook().timeout == std::chrono::seconds(15));
  CHECK(plain.webhook().secrets->keys.size() == 1);
  CHECK(plain.result.config.webhook_keeping.days == 7);
  const LoadedHook all(
      good_webhook +
          "events = [\"failed\", \"gap\"]\nsender_domains = [\"B\xc3\xbc"
          "cher.example\"]\naccounts = [\"app\"]\naddresses = \"hash\"\nbatch = 10\ntimeout = \"3s\"\n"
          "alert_after = \"1h\"\n",
      good_secret, 0600, "[webhooks]\nkeep_days = 3\nmost_octets = 2000000\n");
  REQUIRE(all.result.ok());
  CHECK(all.webhook().kinds == std::vector<std::string>{"failed", "gap"});
  CHECK(all.webhook().sender_domains == std::vector<std::string>{"xn--bcher-kva.example"});
  CHECK(all.webhook().addresses == webhooks::Addresses::hash);
  CHECK(all.webhook().alert_after == std::chrono::hours(1));
  CHECK(all.result.config.webhook_keeping.days == 3);
  CHECK(all.result.config.webhook_keeping.octets == 2'000'000);
  CHECK(LoadedHook("name = \"poll\"\n").result.ok());
}

TEST_CASE("webhooks: what cannot be meant is said with what would be right") {
  CHECK(LoadedHook("url = \"https://hooks.example.net/\"\nsecret = \"@\"\n").says("name"));
  CHECK(LoadedHook("name = \"a b\"\n").says("is no name"));
  CHECK(LoadedHook("name = \"crm\"\nurl = \"https://hooks.example.net/\"\n").says("needs a secret"));
  CHECK(LoadedHook("name = \"crm\"\nurl = \"http://hooks.example.net/\"\nsecret = \"@\"\n")
            .says("http, in clear, goes to an address only"));
  CHECK(LoadedHook("name = \"crm\"\naddresses = \"hash\"\n").says("needs a secret"));
  CHECK(LoadedHook(good_webhook + "events = [\"bounced\"]\n")
            .says("'bounced' is no kind of event; known are accepted"));
  CHECK(LoadedHook(good_webhook + "events = []\n").says("leave it out"));
  CHECK(LoadedHook(good_webhook + "sender_domains = [\"a b\"]\n").says("is not a domain"));
  CHECK(LoadedHook(good_webhook + "[[webhook]]\n" + good_webhook).says("has a webhook already"));
}

TEST_CASE(
    "T-51, T-62: a secret that others can read is refused, and none is repeated in what is said of it") {
  CHECK_FALSE(LoadedHook(good_webhook, good_secret, 0644).result.ok());
  const LoadedHook wrong(good_webhook, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\nMfKQ-unknown\n");
  CHECK(wrong.says("line 2 does not begin with whsec_"));
  CHECK_FALSE(wrong.says("MfKQ"));
  CHECK_FALSE(LoadedHook(good_webhook, "").result.ok());
}
