// SPDX-License-Identifier: Apache-2.0
#include "web/html.hpp"

#include <doctest.h>

using namespace sealpost;
using web::Html;
using web::Url;

TEST_CASE("T-48 what comes from outside is text, wherever it lands") {
  const std::string hostile = "\"><script>alert('1')</script>&amp;";
  Html html;
  {
    const auto cell = html.in("td", {{"title", hostile}});
    html.text(hostile);
    html.link(Url("/queue").with("domain", hostile), hostile);
  }
  CHECK(html.written() ==
        "<td title=\"&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;\">"
        "&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;"
        "<a href=\"/queue?domain=%22%3E%3Cscript%3Ealert%28%271%27%29%3C%2Fscript%3E%26amp%3B\">"
        "&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;</a></td>");
}

TEST_CASE("T-48 characters that are no text, or turn the text around them, are replaced") {
  struct Row {
    std::string_view text, written;
  };
  for (const Row& row : {
           Row{"plain \xc3\xa9 \xe4\xb8\xad", "plain \xc3\xa9 \xe4\xb8\xad"}, Row{"a\nb\tc", "a\nb\tc"},
           Row{std::string_view("a\0b", 3),
               "a\xef\xbf\xbd"
               "b"},
           Row{"a\x1b[2J", "a\xef\xbf\xbd[2J"},
           Row{"a\x7f"
               "b",
               "a\xef\xbf\xbd"
               "b"},
           Row{"bad \xff\xfe octets", "bad \xef\xbf\xbd\xef\xbf\xbd octets"},
           Row{"overlong \xc0\xbc", "overlong \xef\xbf\xbd\xef\xbf\xbd"},
           Row{"\xe2\x80\xaeknab.example", "\xef\xbf\xbdknab.example"},    // U+202E, right to left
           Row{"\xe2\x81\xa6x\xe2\x81\xa9", "\xef\xbf\xbdx\xef\xbf\xbd"},  // isolates
           Row{"\xc2\x85", "\xef\xbf\xbd"},                                // C1
       }) {
    CAPTURE(row.text);
    CHECK(web::escaped(row.text) == row.written);
  }
}

TEST_CASE("an address is a path of ours and values that cannot leave their place") {
  CHECK(Url("/").with("a", "").text() == "/");
  CHECK(Url("/queue").with("a", "1 2").with("b", "x&y=z#f").text() == "/queue?a=1%202&b=x%26y%3Dz%23f");
  CHECK(Url::Written::here("main").text() == "#main");
  Html html;
  html.link(Url("/queue").with("a", "1").with("b", "2"), "x");
  CHECK(html.written() == "<a href=\"/queue?a=1&amp;b=2\">x</a>");
}

TEST_CASE("elements close where their block ends, in order") {
  Html html;
  {
    const auto table = html.in("table");
    const auto row = html.in("tr", {{"class", "x"}});
    html.put("td", {{"colspan", 2}}, "1");
  }
  CHECK(html.written() == "<table><tr class=\"x\"><td colspan=\"2\">1</td></tr></table>");
}

TEST_CASE("what is given away from the middle of an element is whole, and ends once") {
  Html page, around;
  {
    Html html;
    const auto form = html.in("form");
    const auto row = html.in("div");
    html.text("x");
    page = std::move(html);
  }
  CHECK(page.written() == "<form><div>x</div></form>");
  {
    const auto main = around.in("main");
    around.add(std::move(page));
  }
  CHECK(around.take() == "<main><form><div>x</div></form></main>");
}

// While compiling: names are of letters, and none carries script, style or an address.
static_assert(web::detail::may_be_written("class") && web::detail::may_be_written("aria-label"));
static_assert(!web::detail::may_be_written("onclick") && !web::detail::may_be_written("style"));
static_assert(!web::detail::may_be_written("href") && !web::detail::may_be_written("src"));
static_assert(!web::detail::may_be_written("formaction") && !web::detail::may_be_written("x y"));
