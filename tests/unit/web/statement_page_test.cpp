// SPDX-License-Identifier: Apache-2.0
#include "web/statement_page.hpp"

#include <doctest.h>

using namespace sealpost::web;

TEST_CASE("a statement is whole in itself, and what others wrote is text wherever it lands") {
  const std::string evil = "<script>alert(1)</script>\"'&";
  const Json statement{
      {"partner", evil},
      {"from", "2026-11-01"},
      {"to", "2026-11-30"},
      {"complete", false},
      {"total", {{"delivered", 1200}}},
      {"demands",
       {{{"source", "partner"},
         {"origin", evil},
         {"asks", {evil}},
         {"note", evil},
         {"enforced", true},
         {"delivered", 3}}}},
      {"changes",
       {{{"when", "2026-11-03T09:12:00Z"},
         {"changes", {{{"way", "weaker"}, {"text", evil}, {"approved_by", evil}, {"reason", evil}}}}}}},
      {"exceptions", {{{"exception", evil}, {"recipients", 3}}}},
      {"sessions", {{{"session", "TLSv1.3 X"}, {"recipients", 600}}}},
      {"certificates", {{{"names", {evil}}, {"issuer", evil}, {"sha256", "ab"}}}},
      {"heads", {"{\"ledger_head\":1}"}},
      {"heads_sha256", "cafe"}};
  StatementFrame frame;
  frame.verify = "sealpost evidence verify ledger.db";
  const std::string page = statement_page(statement, frame);
  CHECK(page.find("<script") == std::string::npos);
  CHECK(page.find("alert(1)") != std::string::npos);
  for (const char* elsewhere : {"href=", "src=", "url(", "@import", "http:", "https:"})
    CHECK_MESSAGE(page.find(elsewhere) == std::string::npos, elsewhere);
  CHECK(page.find("1,200") != std::string::npos);
  CHECK(page.find("50.0 %") != std::string::npos);
  CHECK(page.find("Not complete") != std::string::npos);
  CHECK(page.find("cafe") != std::string::npos);
  CHECK(page.find("sealpost evidence verify ledger.db") != std::string::npos);
  CHECK(page.ends_with("</html>\n"));
}
