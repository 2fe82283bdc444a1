// SPDX-License-Identifier: Apache-2.0
#include "web/form.hpp"

#include <doctest.h>

using namespace sealpost;
using web::Form;

TEST_CASE("a form is read as browsers write it, or not at all") {
  const auto form = Form::read("name=Anna+B&password=p%26%3D+%C3%A9&empty=&flag");
  REQUIRE(form);
  CHECK(form->value("name") == "Anna B");
  CHECK(form->as_typed("password") == "p&= \xc3\xa9");
  CHECK(form->has("empty"));
  CHECK(form->has("flag"));
  CHECK(form->value("missing").empty());
  CHECK(Form::read("a=%20x%20")->value("a") == "x");
  CHECK(Form::read("a=%20x%20")->as_typed("a") == " x ");
  CHECK(Form::read("")->fields().empty());
  CHECK(Form::read("&&a=1&")->fields().size() == 1);
}

TEST_CASE("T-59 what a form must not be: half an escape, no text, a field twice, too many") {
  for (const std::string_view bad :
       {"a=%", "a=%4", "a=%4g", "%zz=1", "a=%00", "a=%ff", "a=1&a=2", "a=\xff"}) {
    CAPTURE(bad);
    CHECK_FALSE(Form::read(bad));
  }
  std::string many;
  for (std::size_t i = 0; i < web::most_fields; ++i) many += "f" + std::to_string(i) + "=1&";
  CHECK(Form::read(many));
  const auto more = Form::read(many + "one=1");
  REQUIRE_FALSE(more);
  CHECK(more.error().code == Errc::too_long);
}

TEST_CASE("T-59 a cookie that is there once counts") {
  CHECK(web::cookie("a=1; sealpost=xyz; b=2", "sealpost") == "xyz");
  CHECK(web::cookie("sealpost=", "sealpost") == "");
  CHECK_FALSE(web::cookie("", "sealpost"));
  CHECK_FALSE(web::cookie("xsealpost=1; sealpostx=2", "sealpost"));
  CHECK_FALSE(web::cookie("sealpost=mine; sealpost=planted", "sealpost"));
  std::string many;
  for (std::size_t i = 0; i <= web::most_cookies; ++i) many += "c" + std::to_string(i) + "=1; ";
  CHECK_FALSE(web::cookie(many + "sealpost=x", "sealpost"));
}
