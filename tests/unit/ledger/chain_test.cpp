// SPDX-License-Identifier: Apache-2.0
#include "ledger/chain.hpp"

#include <doctest.h>

#include "base/text.hpp"
#include "ledger/payload.hpp"

using namespace sealpost;
using namespace sealpost::ledger;

TEST_CASE("each hash is over the one before it and the payload") {
  Chain chain;
  chain.begin(Sha256{});
  chain.add("a");
  const Sha256 first = sha256(std::string(32, '\0') + "a");
  CHECK(chain.hash() == first);
  CHECK(hex_of(first).substr(0, 8) ==
        text::hex(std::array<std::uint8_t, 4>{
            static_cast<std::uint8_t>(chain.check() >> 24U), static_cast<std::uint8_t>(chain.check() >> 16U),
            static_cast<std::uint8_t>(chain.check() >> 8U), static_cast<std::uint8_t>(chain.check())}));
  chain.add("b");
  CHECK(chain.hash() == sha256(std::string(first.begin(), first.end()) + "b"));
  Sha256 read{};
  CHECK(read_hash(hex_of(first), read));
  CHECK(read == first);
  CHECK_FALSE(read_hash("00", read));
}

// RFC 4231 §4.3 (test case 2); the data are in lower case.
TEST_CASE("an address is committed to by HMAC-SHA-256 in lower case, cut to 16 octets") {
  Commitments commitments;
  commitments.use("Jefe");
  const std::string expected = "\x5b\xdc\xc1\x46\xbf\x60\x75\x4e\x6a\x04\x24\x26\x08\x95\x75\xc7";
  CHECK(commitments.of("what do ya want for nothing?") == expected);
  CHECK(commitments.of("What DO ya want for nothing?") == expected);
  CHECK(word_of(expected) == 0x5bdcc146);
  CHECK(word_of(std::string("\xff\xff\xff\xfe more")) == -2);
  CHECK(short_text("\xfb\xff\xfe\x01") == "-__-AQ");
}

TEST_CASE("a payload is one line of JSON, its kind first") {
  Payload payload("deferred", SystemTime(std::chrono::microseconds(1700000000000001)));
  payload.number("r", 3).text("re", "say \"no\"\\\n\x7f\xff\xc3\xa9").text_unless_empty("mx", "");
  CHECK(payload.take() ==
        "{\"k\":\"deferred\",\"t\":1700000000000001,\"r\":3,\"re\":\"say "
        "\\\"no\\\"\\\\\\u000a\\u007f\\u00ff\xc3\xa9\"}");
}

TEST_CASE("no address stays in a reply") {
  struct Row {
    const char *reply, *expected;
  };
  for (const Row& row :
       {Row{"550 5.1.1 <Bob@Example.org>: unknown", "550 5.1.1 <{to}>: unknown"},
        Row{"550 bob@example.org. Not here", "550 {to}. Not here"},
        Row{"250 queued for eve@example.net, bob@example.org", "250 queued for {address}, {to}"},
        Row{"250 ok", "250 ok"}, Row{"@", "{address}"}, Row{"a@b@c x", "{address} x"}})
    CHECK(without_addresses(row.reply, "bob@example.org") == row.expected);
}
