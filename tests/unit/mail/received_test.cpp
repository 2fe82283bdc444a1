// SPDX-License-Identifier: Apache-2.0
#include "mail/received.hpp"

#include <doctest.h>

#include "base/text.hpp"
#include "mail/header.hpp"

using namespace sealpost;

namespace {

ReceivedFacts example() {
  ReceivedFacts facts;
  facts.helo = "client.example";
  facts.client_name = "mail.client.example";
  facts.client = *IpAddress::parse("192.0.2.1");
  facts.by = "relay.example.net";
  facts.id = *MessageId::parse("01ARYZ6S410000000000000000");
  facts.when = *from_rfc3339("2026-01-31T23:59:59Z");
  return facts;
}

}  // namespace

TEST_CASE("SMTP-07 Received fields (RFC 5321 §4.4, T-49)") {
  ReceivedFacts facts = example();
  CHECK(received_header(facts) ==
        "Received: from client.example (mail.client.example [192.0.2.1])\r\n"
        "\tby relay.example.net with ESMTP id 01ARYZ6S410000000000000000;\r\n"
        "\tSat, 31 Jan 2026 23:59:59 +0000\r\n");

  facts.client = *IpAddress::parse("2001:db8::1");
  facts.client_name.clear();
  facts.for_address = "b@x.example";
  facts.with.tls = facts.with.auth = true;
  facts.tls_cipher = "TLS_AES_256_GCM_SHA384";
  facts.tls_group = "X25519";
  CHECK(received_header(facts) ==
        "Received: from client.example ([IPv6:2001:db8::1])\r\n"
        "\tby relay.example.net with ESMTPSA id 01ARYZ6S410000000000000000\r\n"
        "\tfor <b@x.example>\r\n"
        "\ttls TLS_AES_256_GCM_SHA384 group X25519;\r\n"
        "\tSat, 31 Jan 2026 23:59:59 +0000\r\n");

  facts.hide_client = true;
  facts.tls_group.clear();
  CHECK(received_header(facts) ==
        "Received: by relay.example.net with ESMTPSA id 01ARYZ6S410000000000000000\r\n"
        "\tfor <b@x.example>\r\n"
        "\ttls TLS_AES_256_GCM_SHA384;\r\n"
        "\tSat, 31 Jan 2026 23:59:59 +0000\r\n");
}

TEST_CASE("SMTP-07 `with` for every kind of session (RFC 3848, RFC 6531 §4.3)") {
  struct Row {
    bool esmtp, tls, auth, utf8;
    const char* name;
  };
  const Row rows[] = {
      {false, false, false, false, "SMTP"},   {true, false, false, false, "ESMTP"},
      {true, true, false, false, "ESMTPS"},   {true, false, true, false, "ESMTPA"},
      {true, true, true, false, "ESMTPSA"},   {true, false, false, true, "UTF8SMTP"},
      {true, true, false, true, "UTF8SMTPS"}, {true, false, true, true, "UTF8SMTPA"},
      {true, true, true, true, "UTF8SMTPSA"},
  };
  for (const Row& row : rows) {
    WithProtocol with;
    with.esmtp = row.esmtp, with.tls = row.tls, with.auth = row.auth, with.utf8 = row.utf8;
    CHECK(name_of(with) == row.name);
  }
}

TEST_CASE("T-48 nothing a client says can leave its place in the field") {
  struct Row {
    const char *helo, *shown;
  };
  const Row rows[] = {
      {"ok.example", "from ok.example ("},
      {"WIN_SRV-01", "from WIN_SRV-01 ("},
      {"[192.0.2.9]", "from [192.0.2.9] ("},
      {"[IPv6:2001:db8::9]", "from [IPv6:2001:db8::9] ("},
      {"x (y [1.2.3.4])", "from [192.0.2.1] ("},
      {"x\r\nEvil: 1", "from [192.0.2.1] ("},
      {"", "from [192.0.2.1] ("},
      {"\xc3\xa9.example", "from [192.0.2.1] ("},
      {"x;y", "from [192.0.2.1] ("},
  };
  for (const Row& row : rows) {
    ReceivedFacts facts = example();
    facts.helo = row.helo;
    facts.client_name = "also\r\nEvil: 2";
    facts.for_address = "b\r\nEvil: 3";
    facts.with.tls = true;
    facts.tls_cipher = "X\r\nEvil: 4";
    const std::string header = received_header(facts);
    CAPTURE(header);
    CHECK(header.find(row.shown) != header.npos);
    CHECK(header.find("Evil") == header.npos);
    CHECK(scan_head(header).received == 1);
  }
}
