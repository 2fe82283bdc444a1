// SPDX-License-Identifier: Apache-2.0
#include "mail/mime_field.hpp"

#include <doctest.h>

using namespace sealpost;

namespace {

std::string name_of(const std::string& parameters) {
  return MimeField("attachment; " + parameters).parameter("filename");
}

}  // namespace

TEST_CASE("RFC 2045 §5.1: value and parameters") {
  const MimeField field("Multipart/Mixed ; Boundary=\"a; \\\"b\\\"\"; x = y ;charset=utf-8");
  CHECK(field.value() == "multipart/mixed");
  CHECK(field.parameter("boundary") == "a; \"b\"");
  CHECK(field.parameter("X") == "y");
  CHECK(field.parameter("charset") == "utf-8");
  CHECK(field.parameter("y").empty());
  CHECK(MimeField("").parameter("x").empty());
}

TEST_CASE("RFC 2231: names in parts, with charset, and both") {
  CHECK(name_of("filename*0=\"north.example!a-long.\"; filename*1=\"home.example!1!2.json.gz\"") ==
        "north.example!a-long.home.example!1!2.json.gz");
  CHECK(name_of("filename*1=b; filename*0=a; filename*3=d") == "ab");  // the third lacks
  CHECK(name_of("filename*=UTF-8''north.example%21home.example%211.json.gz") ==
        "north.example!home.example!1.json.gz");
  CHECK(name_of("filename*=iso-8859-1'de'gr%FC%DFe.json") ==
        "gr\xc3\xbc\xc3\x9f"
        "e.json");
  CHECK(name_of("filename*0*=utf-8''a%21; filename*1=b%21; filename*2*=%63") == "a!b%21c");
  CHECK(name_of("filename=plain.gz; filename*=utf-8''better.gz") == "better.gz");
  CHECK(name_of("filename*=no-quotes.gz") == "no-quotes.gz");
  CHECK(name_of("filename*=utf-8''100%") == "100%");
  CHECK(name_of("filename*x=a; filename*99999999999999999999=b").empty());
}

TEST_CASE("RFC 2047 words in quotes, which no standard allows and many write") {
  CHECK(name_of("filename=\"=?utf-8?B?YS5qc29uLmd6?=\"") == "a.json.gz");
  CHECK(name_of("filename=\"=?UTF-8?Q?a=21b_c=2Ejson?= =?utf-8?q?.gz?=\"") == "a!b c.json.gz");
  CHECK(name_of("filename=\"=?broken?=\"") == "=?broken?=");
  CHECK(name_of("filename=\"=?x?B?*?=\"") == "*");
}
