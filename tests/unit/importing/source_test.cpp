// SPDX-License-Identifier: Apache-2.0
#include "importing/source.hpp"

#include <doctest.h>

#include "importing/written.hpp"
#include "reading.hpp"

using namespace sealpost;
using namespace sealpost::importing;

TEST_CASE("A source is text: UTF-8, UTF-16 of either order, with a byte order mark or without") {
  using namespace std::string_literals;
  CHECK(*to_text("\xef\xbb\xbfx") == "x");
  CHECK(*to_text("\xff\xfeh\0\xfc\0\x3d\xd8\0\xde"s) == "h\xc3\xbc\xf0\x9f\x98\x80");
  CHECK(*to_text("\xfe\xff\0h\xd8\x3d"s) == "h\xef\xbf\xbd");
  CHECK(to_text("").error().detail == "is empty");
  CHECK(to_text(" \r\n\t").error().detail == "is empty");
  CHECK(
      to_text("a\nb\n\0c"s).error().detail.starts_with("line 3: is no text in UTF-8 or UTF-16: octet \\x00"));
  CHECK(to_text("caf\xe9 \n").error().detail.starts_with("line 1: is no text"));
  CHECK(to_text(std::string(longest_source + 1, 'a')).error().code == Errc::too_long);
}

TEST_CASE("Rows: separators, quotes, lines (RFC 4180)") {
  const auto rows = rows_of("a;\"b;\"\"c\"\"\nd\" ; e \r\n# x\n;;\n\nf\n");
  REQUIRE(rows.has_value());
  REQUIRE(rows->size() == 2);
  CHECK((*rows)[0].cells == std::vector<std::string>{"a", "b;\"c\"\nd", "e"});
  CHECK((*rows)[1].line == 6);
  CHECK(rows_of("a,\"b\nc").error().detail == "line 1: a quoted cell begins here and does not end");
  CHECK(rows_of(std::string(300, ',')).error().code == Errc::too_long);
}

TEST_CASE("A file of another kind is named") {
  struct KindRow {
    Format said;
    std::string text, looks;
  };
  const std::vector<KindRow> rows = {
      {Format::postfix, sample("connectors.json"), "policy import m365"},
      {Format::postfix, sample("connectors.csv"), "policy import m365"},
      {Format::postfix, sample("destinations.txt"), "policy import cisco"},
      {Format::postfix, sample("rules.csv"), "policy import csv"},
      {Format::csv, sample("tls_policy"), "policy import postfix"},
      {Format::google, sample("tls_policy"), "policy import postfix"},
      {Format::cisco, sample("tls_policy"), "policy import postfix"},
      {Format::google, sample("rules.csv"), "policy import csv"},
      {Format::csv, "{}", "policy import m365"},
  };
  for (const KindRow& row : rows) CHECK(refused(row.said, row.text).find(row.looks) != std::string::npos);
  for (const auto& [format, name] : {std::pair{Format::postfix, "tls_policy"},
                                     {Format::m365, "connectors.json"},
                                     {Format::google, "google_list.csv"},
                                     {Format::cisco, "destinations.txt"},
                                     {Format::csv, "rules.csv"}})
    CHECK(import_rules(format, sample(name), plain_options()).has_value());
}

TEST_CASE("Bounds: more than one file should hold is an error, not a part of it") {
  std::string table;
  for (std::size_t n = 0; n <= most_entries; ++n) table += "d" + std::to_string(n) + ".test may\n";
  CHECK(refused(Format::postfix, table).starts_with("makes more than 20000 rules"));
}

TEST_CASE("The file says where it is from, what is left out, and each remark at its rule") {
  const Import made =
      imported(Format::postfix, "b.test none\nold.test fingerprint match=" + std::string(32, 'a') + "\n");
  const std::string file =
      partner_file(made, {Format::postfix, "/etc/postfix/tls_policy", std::string(64, 'a'), import_time()});
  CHECK(
      file.starts_with("# Partner rules made of a Postfix TLS policy table, /etc/postfix/tls_policy (SHA-256 "
                       "aaaaaaaaaaaa), on 2026-07-01.\n"
                       "# Not in force."));
  CHECK(file.find("# - line 2: old.test: left out: its fingerprints are not SHA-256") != file.npos);
  CHECK(file.find("\n\n# line 1: b.test: asks for more: level none: here TLS is used where the host offers "
                  "it; if its TLS is broken,"
                  " write tls\n# = \"none\" yourself\n[[partner]]\nname = \"b.test\"\ndomains = "
                  "[\"b.test\"]\ntls = \"opportunistic\"\n") != file.npos);
}
