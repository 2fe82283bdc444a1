// SPDX-License-Identifier: Apache-2.0
#include "webhooks/settings.hpp"

#include <doctest.h>

#include "samples.hpp"
#include "webhooks/event.hpp"
#include "webhooks/signature.hpp"

using namespace sealpost;
using namespace sealpost::webhooks;

TEST_CASE("a URL is https with a name, or http with an address") {
  struct Case {
    const char *text, *again;
  };
  for (const Case& one :
       {Case{"https://hooks.example.net", "https://hooks.example.net/"},
        Case{"https://Hooks.Example.net:8443/a?b=c", "https://hooks.example.net:8443/a?b=c"},
        Case{"https://b\303\274cher.example/", nullptr},
        Case{"https://hooks.example.net?x", "https://hooks.example.net/?x"},
        Case{"http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x"}, Case{"http://[::1]:80/", "http://[::1]/"},
        Case{"http://hooks.example.net/", nullptr}, Case{"https://192.0.2.1/", nullptr},
        Case{"https://[::1]/", nullptr}, Case{"http://::1/", nullptr},
        Case{"https://user:pw@hooks.example.net/", nullptr}, Case{"https://hooks.example.net/#x", nullptr},
        Case{"https://hooks.example.net:0/", nullptr}, Case{"https://hooks.example.net:66000/", nullptr},
        Case{"https://hooks.example.net/a b", nullptr}, Case{"https://hooks.example.net/\r\nX: y", nullptr},
        Case{"ftp://hooks.example.net/", nullptr}, Case{"https:///x", nullptr}, Case{"", nullptr}}) {
    CAPTURE(one.text);
    const auto url = parse_url(one.text);
    CHECK(url.has_value() == (one.again != nullptr));
    if (url && one.again != nullptr) CHECK(to_text(*url) == one.again);
  }
}

TEST_CASE("T-62: secrets are whsec_ and base64, two at most, and what is wrong is said without them") {
  const std::string good = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  CHECK(parse_secrets(good).value().keys.size() == 1);
  CHECK(parse_secrets("\n" + good + "\r\n" + good + "\n").value().keys.size() == 2);
  for (const std::string& wrong :
       {std::string(), good + "\n" + good + "\n" + good, std::string("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        std::string("whsec_MfKQ9r8GKYqrTwjU"), std::string("whsec_!!")}) {
    const auto secrets = parse_secrets(wrong);
    REQUIRE_FALSE(secrets);
    CHECK(secrets.error().detail.find("MfKQ") == std::string::npos);
  }
}

TEST_CASE("a signature is that of Standard Webhooks, one for each secret that holds") {
  const auto one = parse_secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").value();
  const std::string known = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
  const char* const id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
  CHECK(signature_of(one, id, 1614265330, R"({"test": 2432232314})") == known);
  const auto two =
      parse_secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx\nwhsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").value();
  const std::string both = signature_of(two, id, 1614265330, R"({"test": 2432232314})");
  CHECK(both.ends_with(" " + known));
  CHECK(both.starts_with("v1,"));
}

TEST_CASE("a webhook wants kinds of events, and those of some senders") {
  Webhook webhook;
  CHECK(webhook.wants("accepted", "", ""));
  webhook.kinds = {"failed"};
  CHECK(webhook.wants("failed", "a.example", "app"));
  CHECK_FALSE(webhook.wants("accepted", "a.example", "app"));
  CHECK(webhook.wants("gap", "", ""));
  webhook.sender_domains = {"a.example"};
  webhook.accounts = {"app"};
  CHECK(webhook.wants("failed", "a.example", ""));
  CHECK(webhook.wants("failed", "b.example", "app"));
  CHECK_FALSE(webhook.wants("failed", "b.example", "other"));
  CHECK_FALSE(webhook.wants("failed", "", ""));
}

TEST_CASE("addresses are shown as a webhook is to have them, in replies as well") {
  const std::string text =
      R"({"kind":"failed","recipient":"Bob@example.org","reply":"550 <Bob@example.org> is not bill@example.com","sender":"a@example.net","account":"app"})";
  const auto plain = test::webhook_of("p");
  CHECK(shown_to(*plain, text) == text);
  const auto domains = test::webhook_of("d", [](Webhook& one) { one.addresses = Addresses::domain; });
  const Json shown = Json::parse(shown_to(*domains, text));
  CHECK(shown.at("recipient") == "@example.org");
  CHECK(shown.at("sender") == "@example.net");
  CHECK(shown.at("account") == "");
  CHECK(shown.at("reply") == "550 <{to}> is not {address}");
  const auto hashes = test::webhook_of("h", [](Webhook& one) { one.addresses = Addresses::hash; });
  const Json keyed = Json::parse(shown_to(*hashes, text));
  CHECK(keyed.at("recipient") == hashed(*hashes, "bob@EXAMPLE.org"));
  CHECK(keyed.at("recipient").get<std::string>().size() == 32);
  CHECK(keyed.dump().find('@') == std::string::npos);
}

TEST_CASE("the name of an event hangs on where and what it is, and reads back") {
  const spool::Cursor place{7, {1, 64}};
  const std::string id = event_id(place, 0, test::id_of(1), "failed", test::noon);
  CHECK(event_id(place, 0, test::id_of(1), "failed", test::noon) == id);
  CHECK(event_id(place, 1, test::id_of(1), "failed", test::noon) != id);
  CHECK(event_id({8, {1, 64}}, 0, test::id_of(1), "failed", test::noon) != id);
  // A journal that a backup brought back may hold something else there.
  CHECK(event_id(place, 0, test::id_of(2), "failed", test::noon) != id);
  CHECK(event_octets(event_name(id)) == id);
  for (const char* wrong :
       {"", "evt_", "evt_00", "msg_00112233445566778899aabbccddeeff", "evt_zz112233445566778899aabbccddeeff"})
    CHECK_FALSE(event_octets(wrong));
}
