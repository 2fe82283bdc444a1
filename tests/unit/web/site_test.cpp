// SPDX-License-Identifier: Apache-2.0
//
// Who gets which page: every door of web/site.hpp by itself.
#include "web/site.hpp"

#include <doctest.h>

#include "auth/password.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"

using namespace sealpost;
using namespace std::chrono_literals;
using admin::Page;
using Method = admin::HttpRequest::Method;

namespace {

const std::string& known_hash() {
  static const std::string hash = *auth::hash_password(auth::Secret("correct horse"));
  return hash;
}

event::Task<admin::Answer> answered(std::string name, web::Json) {
  co_return admin::Answer(
      web::Json{{"asked", std::move(name)}, {"verdict", {{"grade", "well"}, {"text", "WELL"}}}});
}

std::string header_of(const Page& page, const std::string& name) {
  const std::size_t at = page.more_headers.find(name + ": ");
  if (at == std::string::npos) return {};
  const std::size_t from = at + name.size() + 2;
  return page.more_headers.substr(from, page.more_headers.find("\r\n", from) - from);
}

struct World {
  World() {
    app::WebUser viewer;
    viewer.name = "vera";
    viewer.hash = known_hash();
    app::WebUser boss = viewer;
    boss.name = "otto";
    boss.role = auth::Role::operating;
    config.users = {viewer, boss};
    web::SiteSettings settings;
    settings.hostname = "relay.example";
    settings.config = [this] { return std::make_shared<const app::WebConfig>(config); };
    settings.ask = answered;
    settings.logins.pool = std::make_unique<event::InlinePool>();
    site = std::make_unique<web::Site>(loop, std::move(settings));
  }
  Page get(const std::string& path) {
    admin::Visit visit;
    visit.request.path = path.substr(0, path.find('?'));
    if (path.find('?') != path.npos) visit.request.query = path.substr(path.find('?') + 1);
    return ask(std::move(visit));
  }
  Page post(const std::string& path, std::string form) {
    admin::Visit visit;
    visit.request.method = Method::post;
    visit.request.path = path;
    visit.form = std::move(form);
    return ask(std::move(visit));
  }
  Page ask(admin::Visit visit) {
    visit.client = client;
    visit.encrypted = encrypted;
    visit.request.fields.emplace_back("host", host);
    if (!cookie.empty()) visit.request.fields.emplace_back("cookie", cookie);
    for (const auto& field : more) visit.request.fields.push_back(field);
    return event::run_until_done(loop, site->serve(std::move(visit)));
  }
  // The token that a page of this session carries.
  std::string token() {
    const std::string body = get("/").body, mark = "name=\"token\" value=\"";
    const std::size_t at = body.find(mark);
    return at == body.npos ? std::string() : body.substr(at + mark.size(), 64);
  }
  void log_in(const std::string& name) {
    const Page page = post("/login", "name=" + name + "&password=correct+horse");
    REQUIRE(page.status == 303);
    cookie = header_of(page, "Set-Cookie");
    cookie.resize(cookie.find(';'));
  }

  event::SimLoop loop;
  app::WebConfig config;
  IpAddress client = *IpAddress::parse("127.0.0.1");
  bool encrypted = false;
  std::string host = "localhost:9925", cookie;
  std::vector<std::pair<std::string, std::string>> more;
  std::unique_ptr<web::Site> site;
};

}  // namespace

TEST_CASE("T-59 without a session there is a form to log in, and the style for it") {
  World world;
  CHECK(world.get("/").status == 303);
  CHECK(header_of(world.get("/"), "Location") == "/login");
  CHECK(header_of(world.get("/nowhere?x=1"), "Location") == "/login");
  CHECK(world.get("/login").status == 200);
  CHECK(world.get("/style.css").type == "text/css; charset=utf-8");
  world.cookie = "sealpost=" + std::string(64, 'a');
  CHECK(world.get("/").status == 303);
  CHECK(world.post("/", "token=x").status == 403);
}

TEST_CASE("T-59 every page forbids the browser all that it needs not") {
  World world;
  const std::string policy =
      "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; "
      "base-uri 'none'";
  CHECK(header_of(world.get("/login"), "Content-Security-Policy") == policy);
  world.log_in("otto");
  const Page page = world.get("/");
  CHECK(page.status == 200);
  CHECK(header_of(page, "Content-Security-Policy") == policy);
  CHECK(header_of(page, "Cache-Control") == "no-store");
  CHECK(header_of(page, "X-Frame-Options") == "DENY");
  CHECK(page.body.find("<script") == std::string::npos);
  CHECK(page.body.find("style=") == std::string::npos);
}

TEST_CASE("T-31 T-32 a wrong password and a name that there is not look alike") {
  World world;
  const Page wrong = world.post("/login", "name=otto&password=wrong");
  const Page nobody = world.post("/login", "name=nobody&password=wrong");
  CHECK(wrong.status == 401);
  CHECK(wrong.body == nobody.body);
  CHECK(header_of(wrong, "Set-Cookie").empty());
  Page last = wrong;
  for (int i = 0; i < 10; ++i) last = world.post("/login", "name=otto&password=wrong");
  CHECK(last.status == 429);
}

TEST_CASE("T-59 the cookie is for this host, for no script, and over TLS for TLS alone") {
  World world;
  const Page plain = world.post("/login", "name=otto&password=correct+horse");
  CHECK(header_of(plain, "Set-Cookie").starts_with("sealpost="));
  CHECK(header_of(plain, "Set-Cookie").ends_with("; Path=/; HttpOnly; SameSite=Strict"));
  world.encrypted = true;
  const Page secure = world.post("/login", "name=otto&password=correct+horse");
  CHECK(header_of(secure, "Set-Cookie").starts_with("__Host-sealpost="));
  CHECK(header_of(secure, "Set-Cookie").ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"));
}

TEST_CASE("T-59 a login makes a new session, and ends the one that was there") {
  World world;
  world.log_in("vera");
  const std::string before = world.cookie;
  world.log_in("otto");
  CHECK(world.cookie != before);
  world.cookie = before;
  CHECK(world.get("/").status == 303);
}

TEST_CASE("T-59 another name than ours is answered nothing: a page of others may lead here") {
  World world;
  world.log_in("otto");
  for (const char* good :
       {"localhost", "127.0.0.1:9925", "[::1]:9925", "relay.example", "RELAY.example:9925"}) {
    CAPTURE(good);
    world.host = good;
    CHECK(world.get("/").status == 200);
  }
  for (const char* bad :
       {"", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[::1].evil.example", "[::1",
        "[::1]evil", "localhost:x", "relay.example@evil.example", "mail.example"}) {
    CAPTURE(bad);
    world.host = bad;
    CHECK(world.get("/").status == 421);
    CHECK(world.post("/login", "name=otto&password=correct+horse").status == 421);
  }
  world.config.names = {"mail.example"};
  CHECK(world.get("/").status == 200);
}

TEST_CASE("T-59 nothing in clear to another machine") {
  World world;
  world.client = *IpAddress::parse("192.0.2.9");
  world.host = "192.0.2.1:9925";
  const Page page = world.get("/queue?domain=a");
  CHECK(page.status == 308);
  CHECK(header_of(page, "Location") == "https://192.0.2.1:9925/queue?domain=a");
  CHECK(world.post("/login", "name=otto&password=correct+horse").status == 403);
  world.encrypted = true;
  CHECK(world.post("/login", "name=otto&password=correct+horse").status == 303);
}

TEST_CASE("T-59 a form needs the token of its session, and a page of ours around it") {
  World world;
  world.log_in("otto");
  const std::string token = world.token();
  REQUIRE(token.size() == 64);
  CHECK(world.post("/logout", "").status == 403);
  CHECK(world.post("/logout", "token=" + std::string(64, '0')).status == 403);
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"origin", "https://evil.example"},
                                                        {"origin", "null"},
                                                        {"sec-fetch-site", "cross-site"},
                                                        {"sec-fetch-site", "same-site"}}) {
    CAPTURE(value);
    world.more = {{name, value}};
    CHECK(world.post("/logout", "token=" + token).status == 403);
    CHECK(world.post("/login", "name=otto&password=correct+horse").status == 403);
  }
  CHECK(world.get("/").status == 200);
  world.more = {{"origin", "http://localhost:9925"}, {"sec-fetch-site", "same-origin"}};
  const Page out = world.post("/logout", "token=" + token);
  CHECK(out.status == 303);
  CHECK(header_of(out, "Set-Cookie").find("Max-Age=0") != std::string::npos);
  CHECK(world.get("/").status == 303);
  CHECK(world.site->sessions() == 0);
}

TEST_CASE("T-59 the token of another session is worth nothing") {
  World world;
  world.log_in("vera");
  const std::string of_another = world.token();
  world.cookie.clear();
  world.log_in("otto");
  CHECK(world.post("/logout", "token=" + of_another).status == 403);
}

TEST_CASE("T-59 a user who is changed is logged out") {
  World world;
  world.log_in("otto");
  CHECK(world.get("/").status == 200);
  SUBCASE("another role") { world.config.users[1].role = auth::Role::viewer; }
  SUBCASE("another password") { world.config.users[1].hash = *auth::hash_password(auth::Secret("another")); }
  SUBCASE("gone") { world.config.users.pop_back(); }
  CHECK(world.get("/").status == 303);
}

TEST_CASE("T-59 a session ends when it is not used") {
  World world;
  world.log_in("otto");
  world.loop.advance(31min);
  CHECK(world.get("/").status == 303);
}

TEST_CASE("T-59 a login leads to a page of ours and nowhere else") {
  World world;
  for (const char* bad :
       {"//evil.example", "https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "/%5Cevil.example", "/login",
        "/logout", "/nowhere", "javascript:1", "/%0D%0ASet-Cookie:x", "/%3Fx%0D%0ASet-Cookie:x"}) {
    CAPTURE(bad);
    const Page page = world.post("/login", "name=otto&password=correct+horse&next=" + std::string(bad));
    CHECK(header_of(page, "Location") == "/");
  }
}

TEST_CASE("T-59 the word of a proxy counts from where it is named, and for whom a role is known") {
  World world;
  world.config.proxies = {*Network::parse("192.0.2.7/32")};
  world.config.proxy_header = "x-remote-user";
  world.host = "relay.example";
  world.encrypted = true;
  world.more = {{"x-remote-user", "otto"}};
  world.client = *IpAddress::parse("192.0.2.8");
  CHECK(world.get("/").status == 303);  // a stranger says so
  world.client = *IpAddress::parse("192.0.2.7");
  const Page page = world.get("/");
  CHECK(page.status == 200);
  CHECK(page.body.find("otto") != std::string::npos);
  world.cookie = header_of(page, "Set-Cookie");
  world.cookie.resize(world.cookie.find(';'));
  CHECK(header_of(world.get("/"), "Set-Cookie").empty());
  world.more = {{"x-remote-user", "vera"}};  // the proxy says who it is, not the cookie
  CHECK(world.get("/").body.find("otto") == std::string::npos);
  world.more.clear();
  CHECK(world.get("/").status == 303);  // and the cookie alone is nothing
  world.more = {{"x-remote-user", "guest"}};
  CHECK(world.get("/").status == 403);
  world.config.proxy_role = auth::Role::viewer;
  CHECK(world.get("/").status == 200);
  world.more = {{"x-remote-user", "otto"}, {"x-remote-user", "vera"}};
  CHECK(world.get("/").status == 303);  // two names are none
}
