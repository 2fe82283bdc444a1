// SPDX-License-Identifier: Apache-2.0
#include "web/kit.hpp"

#include <doctest.h>

using namespace sealpost;
using web::Html;
using web::Json;

TEST_CASE("values that are absent, null or of another kind are shown as nothing, and never stop a page") {
  const Json answer{{"word", "x"}, {"number", 3}, {"null", nullptr}, {"list", {1, 2}}, {"below", -1}};
  CHECK(web::words_of(answer, "word") == "x");
  CHECK(web::words_of(answer, "number") == "3");
  CHECK(web::words_of(answer, "null").empty());
  CHECK(web::words_of(answer, "missing").empty());
  CHECK(web::words_of(Json(), "x").empty());
  CHECK(web::words_of(Json::array(), "x").empty());
  CHECK(web::number_of(answer, "number") == 3);
  CHECK(web::number_of(answer, "word") == 0);
  CHECK(web::number_of(answer, "below") == 0);
  CHECK(!web::flag_of(answer, "word"));
  CHECK(!web::flag_of(Json(), "x"));
  CHECK(web::part_of(answer, "missing").is_null());
}

TEST_CASE("a picture has its words and its numbers, and hostile names stay text in it") {
  web::Picture picture;
  picture.title = "<b>Mail</b>";
  picture.about = "two days";
  picture.place_is = "Day";
  picture.names = {"1", "2"};
  picture.places = {"1", "2"};
  picture.series = {{"</title><script>", 1, {3, 0}}, {"b", 2, {1, 9}}};
  for (const auto put : {web::put_columns, web::put_areas}) {
    Html html;
    put(html, picture);
    const std::string& text = html.written();
    CHECK(text.find("<script>") == text.npos);
    CHECK(text.find("&lt;b&gt;Mail") != text.npos);
    CHECK(text.find("<desc>two days</desc>") != text.npos);
    CHECK(text.find("<th scope=\"row\">2</th>") != text.npos);
    CHECK(text.find("style=") == text.npos);
    CHECK(text.find("nan") == text.npos);
  }
}

TEST_CASE("a picture of nothing is a picture") {
  web::Picture picture;
  picture.names = {"1"};
  picture.places = {""};
  picture.series = {{"a", 1, {0}}};
  Html html;
  web::put_areas(html, picture);
  CHECK(html.written().find("nan") == std::string::npos);
  picture.series[0].values[0] = UINT64_MAX;
  Html large;
  web::put_columns(large, picture);
  CHECK(large.written().find("nan") == std::string::npos);
}
