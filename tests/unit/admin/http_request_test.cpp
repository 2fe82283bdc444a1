// SPDX-License-Identifier: Apache-2.0
#include "admin/http_request.hpp"

#include <doctest.h>

using namespace sealpost;
using admin::read_http_request;

TEST_CASE("T-59 a request is one GET or HEAD without a body, or is refused (RFC 9112)") {
  struct Row {
    std::string head;
    int status;  // 0: taken
    std::string path;
  };
  const std::string many(9000, 'a');
  for (const Row& row : {
           Row{"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 0, "/metrics"},
           Row{"GET /metrics HTTP/1.0\r\n\r\n", 0, "/metrics"},
           Row{"HEAD /healthz?verbose=1&x HTTP/1.1\r\nHost: a\r\nAccept:*/*\r\n\r\n", 0, "/healthz"},
           Row{"GET /%2e%2e/etc HTTP/1.1\r\n\r\n", 0, "/%2e%2e/etc"},  // no file is ever looked for
           Row{"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 0, "/"},
           Row{"GET / HTTP/1.1\r\ncontent-length: 5\r\n\r\n", 413, ""},
           Row{"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 413, ""},
           Row{"POST /v1/status HTTP/1.1\r\nContent-Length: 2\r\n\r\n", 405, ""},
           Row{"DELETE / HTTP/1.1\r\n\r\n", 405, ""},
           Row{"get / HTTP/1.1\r\n\r\n", 405, ""},
           Row{"GET http://relay/metrics HTTP/1.1\r\n\r\n", 400, ""},
           Row{"GET  / HTTP/1.1\r\n\r\n", 400, ""},
           Row{"GET / HTTP/1.1 \r\n\r\n", 400, ""},
           Row{"GET /\r\n\r\n", 400, ""},
           Row{"GET / HTTP/2.0\r\n\r\n", 505, ""},
           Row{"GET / SMTP/1.1\r\n\r\n", 400, ""},
           Row{"G T / HTTP/1.1\r\n\r\n", 400, ""},
           Row{"GET /\x01 HTTP/1.1\r\n\r\n", 400, ""},
           Row{"GET /\xc3\xbc HTTP/1.1\r\n\r\n", 400, ""},
           Row{"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, ""},
           Row{"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400, ""},
           Row{"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, ""},
           Row{"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400, ""},
           Row{std::string("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 29), 400, ""},
           Row{"\r\n\r\n", 400, ""},
           Row{"GET / HTTP/1.1\r\nX: " + many + "\r\n\r\n", 431, ""},
       }) {
    CAPTURE(row.head);
    const auto request = read_http_request(row.head);
    CHECK((request ? 0 : request.error().status) == row.status);
    if (request) CHECK(request->path == row.path);
  }
  const auto head = read_http_request("HEAD / HTTP/1.1\r\n\r\n");
  REQUIRE(head);
  CHECK(head->method == admin::HttpRequest::Method::head);
}

TEST_CASE("T-59 a form is taken where there is a site, and says its length once and first (RFC 9112 6.3)") {
  struct Row {
    std::string fields;
    int status;  // 0: taken
    std::size_t octets;
  };
  const std::string type = "Content-Type: application/x-www-form-urlencoded\r\n";
  for (const Row& row : {
           Row{type + "Content-Length: 5\r\n", 0, 5},
           Row{type + "Content-Length: 0\r\n", 0, 0},
           Row{type + "Content-Length: 65536\r\n", 0, 65536},
           Row{"content-type: Application/x-www-form-urlencoded; charset=utf-8\r\ncontent-length: 1\r\n", 0,
               1},
           Row{type + "Content-Length: 65537\r\n", 413, 0},
           Row{type + "Content-Length: 99999999999999999999999\r\n", 400, 0},
           Row{type + "Content-Length: -1\r\n", 400, 0},
           Row{type + "Content-Length: 5, 5\r\n", 400, 0},
           Row{type + "Content-Length: 5\r\nContent-Length: 5\r\n", 400, 0},
           Row{type + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 413, 0},
           Row{type + "Transfer-Encoding: identity\r\n", 413, 0},
           Row{type, 411, 0},
           Row{"Content-Length: 5\r\n", 415, 0},
           Row{"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 5\r\n", 415, 0},
           Row{"Content-Type: text/plain\r\nContent-Length: 5\r\n", 415, 0},
           Row{type + type + "Content-Length: 5\r\n", 415, 0},
           Row{type + "Content-Length: 5\r\nHost: a\r\nHost: b\r\n", 400, 0},
       }) {
    CAPTURE(row.fields);
    const std::string head = "POST /queue HTTP/1.1\r\n" + row.fields + "\r\n";
    const auto request = read_http_request(head, admin::HttpTaken::forms);
    CHECK((request ? 0 : request.error().status) == row.status);
    if (request) CHECK(request->form_octets == row.octets);
    CHECK(read_http_request(head).error().status == 405);  // without a site
  }
}

TEST_CASE("what a request brings along is found by name, once or not at all") {
  const auto request = read_http_request(
      "GET /queue?domain=a&x=%20 HTTP/1.1\r\nHost: relay\r\nCookie: a=1\r\nX-User: one\r\nx-user: "
      "two\r\n\r\n");
  REQUIRE(request);
  CHECK(request->path == "/queue");
  CHECK(request->query == "domain=a&x=%20");
  CHECK(request->field("host") == "relay");
  CHECK(request->field("cookie") == "a=1");
  CHECK(request->field("x-user").empty());
  CHECK(request->field("nothing").empty());
}

TEST_CASE("a head ends with its empty line, wherever it was cut on its way") {
  CHECK(admin::http_head_end("GET / HTTP/1.1\r\n\r\nrest") == 18);
  CHECK(admin::http_head_end("GET / HTTP/1.1\r\n\r") == std::string_view::npos);
  CHECK(admin::http_head_end("GET / HTTP/1.1\n\n") == std::string_view::npos);
  CHECK(admin::http_head_end("") == std::string_view::npos);
}

TEST_CASE(
    "T-28 a TLS report is POSTed as one of two types and says its length first (RFC 8460 5.4); nothing else "
    "is taken") {
  struct Row {
    std::string line, fields;
    int status;  // 0: taken
    std::size_t octets;
  };
  const std::string post = "POST /tlsrpt HTTP/1.1", gzip = "Content-Type: application/tlsrpt+gzip\r\n",
                    json = "Content-Type: Application/TLSRPT+json; charset=utf-8\r\n";
  for (const Row& row : {
           Row{post, gzip + "Content-Length: 5\r\n", 0, 5},
           Row{post, json + "Content-Length: 10485760\r\n", 0, 10u << 20},
           Row{post, json + "Content-Length: 10485761\r\n", 413, 0},
           Row{post, gzip, 411, 0},
           Row{post, gzip + "Transfer-Encoding: chunked\r\n", 411, 0},
           Row{post, gzip + "Content-Length: 5\r\nContent-Length: 6\r\n", 400, 0},
           Row{post, "Content-Length: 5\r\n", 415, 0},
           Row{post, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 5\r\n", 415, 0},
           Row{post, "Content-Type: application/gzip\r\nContent-Length: 5\r\n", 415, 0},
           Row{post, gzip + gzip + "Content-Length: 5\r\n", 415, 0},
           Row{"GET /tlsrpt HTTP/1.1", "", 405, 0},
           Row{"HEAD /tlsrpt HTTP/1.1", "", 405, 0},
           Row{"PUT /tlsrpt HTTP/1.1", gzip + "Content-Length: 5\r\n", 405, 0},
       }) {
    CAPTURE(row.line);
    CAPTURE(row.fields);
    const auto request =
        read_http_request(row.line + "\r\n" + row.fields + "\r\n", admin::HttpTaken::reports);
    CHECK((request ? 0 : request.error().status) == row.status);
    if (request) CHECK(request->form_octets == row.octets);
  }
}

TEST_CASE("T-29 a message has one of two types, a length that is said, and no more octets than are allowed") {
  struct Row {
    std::string line, fields;
    int status;  // 0: taken
  };
  const std::string json = "Content-Type: application/json\r\n", post = "POST /v1/messages?to=a HTTP/1.1";
  for (const Row& row : {
           Row{post, json + "Content-Length: 100\r\n", 0},
           Row{post, json + "Content-Length: 101\r\n", 413},
           Row{post, "Content-Type: message/rfc822; x=y\r\nContent-Length: 5\r\n", 0},
           Row{post, "Content-Type: text/plain\r\nContent-Length: 5\r\n", 415},
           Row{post, "Content-Length: 5\r\n", 415},
           Row{post, json, 411},
           Row{post, json + "Transfer-Encoding: chunked\r\n", 411},
           Row{"GET /v1/messages HTTP/1.1", "", 405},
           Row{"PUT /v1/messages HTTP/1.1", json + "Content-Length: 5\r\n", 405},
       }) {
    CAPTURE(row.line);
    CAPTURE(row.fields);
    const auto request =
        read_http_request(row.line + "\r\n" + row.fields + "\r\n", admin::HttpTaken::messages, 100);
    CHECK((request ? 0 : request.error().status) == row.status);
  }
}

TEST_CASE("who asks before it sends a body is told apart from who does not (RFC 9110 10.1.1)") {
  struct Row {
    std::string version, fields;
    int status;  // 0: taken
    bool asks;
  };
  for (const Row& row : {
           Row{"1.1", "Content-Length: 5\r\nExpect: 100-Continue\r\n", 0, true},
           Row{"1.1", "Content-Length: 5\r\n", 0, false},
           Row{"1.1", "Content-Length: 0\r\nExpect: 100-continue\r\n", 0, false},
           Row{"1.0", "Content-Length: 5\r\nExpect: 100-continue\r\n", 0, false},
           Row{"1.1", "Content-Length: 5\r\nExpect: something\r\n", 417, false},
       }) {
    CAPTURE(row.fields);
    const auto request = read_http_request(
        "POST /r HTTP/" + row.version + "\r\nContent-Type: application/tlsrpt+json\r\n" + row.fields + "\r\n",
        admin::HttpTaken::reports);
    CHECK((request ? 0 : request.error().status) == row.status);
    if (request) CHECK(request->asks_first == row.asks);
  }
}
