// SPDX-License-Identifier: Apache-2.0
//
// [[route]] with hosts, levels and credentials, and what is wrong with one.
#include <doctest.h>

#include <algorithm>

#include "config/config.hpp"
#include "load_text.hpp"

using namespace sealpost;
using namespace sealpost::app;

namespace {

constexpr std::string_view account = "user = \"relay@example.net\"\npassword = \"open sesame\"\n";

struct Loaded {
  explicit Loaded(const std::string& route, std::string_view credentials = account, unsigned mode = 0600) {
    const std::string path = directory.file("credentials.toml", std::string(credentials), mode);
    std::string text = "hostname = \"relay.example.net\"\n[[route]]\ndomain = \"*\"\n" + route;
    if (const auto at = text.find("@"); at != std::string::npos && text.substr(at, 2) == "@\"")
      text.replace(at, 1, path);
    result = load_config(directory.file("sealpost.toml", text));
    said = findings(result);
  }
  bool says(const std::string& words) const {
    return std::any_of(said.begin(), said.end(),
                       [&](const std::string& one) { return one.find(words) != std::string::npos; });
  }
  const RouteConfig& route() const { return result.config.routes.at(0); }
  Directory directory;
  LoadResult result;
  std::vector<std::string> said;
};

}  // namespace

TEST_CASE("routes: an account means a verified relay, port 465 means TLS from the first octet") {
  const Loaded plain("relay = \"[smtp.example]:587\"\n");
  REQUIRE(plain.result.ok());
  CHECK_FALSE(plain.route().is_smart());
  CHECK(plain.route().name == "*");
  const Loaded with("relay = \"[smtp.example]:465\"\ncredentials = \"@\"\n");
  REQUIRE(with.result.ok());
  CHECK(with.route().is_smart());
  CHECK(with.route().implicit_tls);
  CHECK(with.route().level == PartnerLevel::verify);
  REQUIRE(with.route().account);
  CHECK(with.route().account->user == "relay@example.net");
  CHECK(with.route().account->password.view() == "open sesame");
  const Loaded other("relay = \"[smtp.example]:587\"\nimplicit_tls = true\nname = \"out\"\n");
  CHECK(other.route().level == PartnerLevel::encrypt);
  CHECK(other.route().name == "out");
}

TEST_CASE("routes: several hosts have one port, and senders are kept as accounts' are") {
  const Loaded several(
      "senders = [\"Anna@B\xc3\xbc"
      "cher.example\", \"@shop.example\"]\n[[route.host]]\naddress = "
      "\"[a.example]:587\"\n[[route.host]]\naddress = \"[b.example]:587\"\nweight = 3\npreference = 20\n");
  REQUIRE(several.result.ok());
  CHECK(several.route().senders == std::vector<std::string>{"anna@xn--bcher-kva.example", "@shop.example"});
  REQUIRE(several.route().hosts.size() == 2);
  CHECK(several.route().hosts[1].name == "b.example");
  CHECK(several.route().hosts[1].weight == 3);
  CHECK(several.route().relay == "[a.example]:587");
  CHECK(
      Loaded("[[route.host]]\naddress = \"[a.example]:587\"\n[[route.host]]\naddress = \"[b.example]:25\"\n")
          .says("has another port"));
  CHECK(Loaded("[[route.host]]\naddress = \"a.example:587\"\n").says("is not a host"));
}

TEST_CASE("T-51 credentials: what is wrong is told with its place, and never with what was read") {
  const std::string route = "relay = \"[smtp.example]:587\"\ncredentials = \"@\"\n";
  const struct {
    std::string more;
    std::string_view credentials;
    unsigned mode;
    const char* says;
  } rows[] = {
      {"", account, 0644, "is open to others; run: chmod o-rwx,g-w "},
      {"", account, 0620, "is open to others"},
      {"tls = \"opportunistic\"\n", account, 0600, "route.tls: 'opportunistic' with credentials"},
      {"tls = \"encrypt\"\n", account, 0600, "warning route.tls: 'encrypt' shows the password"},
      {"", "password = \"open sesame\"\n", 0600, "has no user"},
      {"", "user = \"u\"\n", 0600, "needs one of password and token_file"},
      {"", "user = \"u\"\npassword = \"open sesame\n", 0600, "line 2 is no TOML"},
      {"", "user = \"u\"\npassword = 7\n", 0600, "line 2: password must be a text"},
      {"", "user = \"u\"\npasswort = \"open sesame\"\n", 0600, "line 2: holds a key that is unknown"},
      {"", "user = \"u\"\ntoken_file = \"here\"\n", 0600, "does not begin with /"},
      {"", "user = \"u\"\npassword = \"open sesame\"\nmechanisms = [\"X\"]\n", 0600, "holds an unknown name"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.says);
    const Loaded loaded(route + row.more, row.credentials, row.mode);
    CHECK(loaded.says(row.says));
    CHECK_FALSE(loaded.says("sesame"));
  }
  CHECK(Loaded("relay = \"[smtp.example]:587\"\ncredentials = \"/nowhere/at/all\"\n").says("cannot be read"));
}

TEST_CASE("hosts: keywords that TLS hangs on are never ignored") {
  const auto load_host = [](const std::string& keywords) {
    return findings(
        load("hostname = \"relay.example.net\"\n[[host]]\nname = \"*.example\"\nignore_keywords = [" +
             keywords + "]\n"));
  };
  CHECK(load_host("\"CHUNKING\", \"DSN\"").empty());
  CHECK(load_host("\"starttls\"").size() == 1);
}
