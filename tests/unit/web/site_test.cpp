// SPDX-License-Identifier: Apache-2.0
//
// Who gets which page: every door of web/site.hpp by itself.
#include "web/site.hpp"

#include <doctest.h>

#include <algorithm>
#include <array>
#include <map>

#include "auth/password.hpp"
#include "base/log.hpp"
#include "base/log_recent.hpp"
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

// What of a page is not ended, or ended where something else should be; empty: it is well-formed.
std::string not_ended(std::string_view page) {
  constexpr std::array<std::string_view, 5> alone = {"meta", "link", "input", "br", "!doctype"};
  std::vector<std::string> open;
  for (std::size_t at = page.find('<'); at != page.npos; at = page.find('<', at + 1)) {
    const bool ends = page.at(at + 1) == '/';
    const std::size_t from = at + (ends ? 2 : 1);
    const std::string tag(page.substr(from, page.find_first_of(" >", from) - from));
    if (std::find(alone.begin(), alone.end(), tag) != alone.end()) continue;
    if (!ends) {
      open.push_back(tag);
      continue;
    }
    if (open.empty() || open.back() != tag) return "</" + tag + ">";
    open.pop_back();
  }
  return open.empty() ? std::string() : open.back();
}

struct SiteWorld {
  SiteWorld() {
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
    settings.ask = [this](std::string name, web::Json arguments) {
      return command(std::move(name), std::move(arguments));
    };
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
  Page ask(admin::Visit visit) { return event::run_until_done(loop, site->serve(whole(std::move(visit)))); }
  admin::Visit whole(admin::Visit visit) const {
    visit.client = client;
    if (encrypted) visit.tls = std::make_shared<const HandshakeFacts>();
    visit.request.fields.emplace_back("host", host);
    if (!cookie.empty()) visit.request.fields.emplace_back("cookie", cookie);
    for (const auto& field : more) visit.request.fields.push_back(field);
    return visit;
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
  web::Ask command = answered;
  app::WebConfig config;
  IpAddress client = *IpAddress::parse("127.0.0.1");
  bool encrypted = false;
  std::string host = "localhost:9925", cookie;
  std::vector<std::pair<std::string, std::string>> more;
  std::unique_ptr<web::Site> site;
};

}  // namespace

TEST_CASE("T-59 without a session there is a form to log in, and the style for it") {
  SiteWorld world;
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
  SiteWorld world;
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

TEST_CASE("every page is well-formed HTML, whatever there is to show") {
  SiteWorld world;
  CHECK(not_ended(world.get("/login").body) == "");
  world.log_in("otto");
  for (const web::Route& route : web::routes()) {
    CAPTURE(route.at.path());
    CHECK(not_ended(world.get(std::string(route.at.path())).body) == "");
  }
  CHECK(not_ended(world.get("/nowhere").body) == "");
}

TEST_CASE("T-31 T-32 a wrong password and a name that there is not look alike") {
  SiteWorld world;
  world.client = *IpAddress::parse("192.0.2.9");
  world.host = "relay.example";
  world.encrypted = true;
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
  SiteWorld world;
  const Page plain = world.post("/login", "name=otto&password=correct+horse");
  CHECK(header_of(plain, "Set-Cookie").starts_with("sealpost="));
  CHECK(header_of(plain, "Set-Cookie").ends_with("; Path=/; HttpOnly; SameSite=Strict"));
  world.encrypted = true;
  const Page secure = world.post("/login", "name=otto&password=correct+horse");
  CHECK(header_of(secure, "Set-Cookie").starts_with("__Host-sealpost="));
  CHECK(header_of(secure, "Set-Cookie").ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"));
}

TEST_CASE("T-59 a login makes a new session, and ends the one that was there") {
  SiteWorld world;
  world.log_in("vera");
  const std::string before = world.cookie;
  world.log_in("otto");
  CHECK(world.cookie != before);
  world.cookie = before;
  CHECK(world.get("/").status == 303);
}

TEST_CASE("T-59 another name than ours is answered nothing: a page of others may lead here") {
  SiteWorld world;
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
  SiteWorld world;
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
  SiteWorld world;
  world.log_in("otto");
  const std::string token = world.token();
  REQUIRE(token.size() == 64);
  CHECK(world.post("/logout", "").status == 403);
  CHECK(world.post("/logout", "token=" + std::string(64, '0')).status == 403);
  for (const auto& from : std::vector<std::pair<std::string, std::string>>{{"origin", "https://evil.example"},
                                                                           {"origin", "null"},
                                                                           {"sec-fetch-site", "cross-site"},
                                                                           {"sec-fetch-site", "same-site"}}) {
    CAPTURE(from.second);
    world.more = {from};
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
  SiteWorld world;
  world.log_in("vera");
  const std::string of_another = world.token();
  world.cookie.clear();
  world.log_in("otto");
  CHECK(world.post("/logout", "token=" + of_another).status == 403);
}

TEST_CASE("T-59 a user who is changed is logged out") {
  SiteWorld world;
  world.log_in("otto");
  CHECK(world.get("/").status == 200);
  SUBCASE("another role") { world.config.users[1].role = auth::Role::viewer; }
  SUBCASE("another password") { world.config.users[1].hash = *auth::hash_password(auth::Secret("another")); }
  SUBCASE("gone") { world.config.users.pop_back(); }
  CHECK(world.get("/").status == 303);
}

TEST_CASE("T-59 a session ends when it is not used") {
  SiteWorld world;
  world.log_in("otto");
  world.loop.advance(31min);
  CHECK(world.get("/").status == 303);
}

TEST_CASE("T-59 a login leads to a page of ours and nowhere else") {
  SiteWorld world;
  for (const char* bad :
       {"//evil.example", "https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "/%5Cevil.example", "/login",
        "/logout", "/nowhere", "javascript:1", "/%0D%0ASet-Cookie:x", "/%3Fx%0D%0ASet-Cookie:x"}) {
    CAPTURE(bad);
    const Page page = world.post("/login", "name=otto&password=correct+horse&next=" + std::string(bad));
    CHECK(header_of(page, "Location") == "/");
  }
}

TEST_CASE("T-59 the word of a proxy counts from where it is named, and for whom a role is known") {
  SiteWorld world;
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
  CHECK(header_of(page, "Set-Cookie").empty());  // its word is needed each time, and is enough
  for (int i = 0; i < 40; ++i) world.get("/");
  CHECK(world.site->sessions() == 1);
  const std::string token = world.token();
  CHECK(world.post("/queue", "token=" + token).status == 400);  // the same session, without a cookie
  world.more = {{"x-remote-user", "vera"}};                     // the proxy says who it is, not the cookie
  CHECK(world.get("/").body.find("otto") == std::string::npos);
  CHECK(world.post("/queue", "token=" + token).status == 403);  // and that of another is nothing
  world.more.clear();
  CHECK(world.get("/").status == 303);
  world.more = {{"x-remote-user", "guest"}};
  CHECK(world.get("/").status == 403);
  world.config.proxy_role = auth::Role::viewer;
  CHECK(world.get("/").status == 200);
  world.more = {{"x-remote-user", "otto"}, {"x-remote-user", "vera"}};
  CHECK(world.get("/").status == 303);  // two names are none
}

namespace {

struct Views {
  int now = 0, most = 0;
  std::map<int, int> statuses;  // of pages
};
event::Task<admin::Answer> slow(event::Loop& loop, Views& views) {
  views.most = std::max(views.most, ++views.now);
  co_await event::sleep_for(loop, 1s);
  --views.now;
  co_return admin::Answer(web::Json::object());
}
event::Task<void> visit_queue(SiteWorld& world, Views& views) {
  admin::Visit visit;
  visit.request.path = "/queue";
  const Page page = co_await world.site->serve(world.whole(std::move(visit)));
  ++views.statuses[page.status];
}

}  // namespace

TEST_CASE("T-26 the queue is looked through for one visitor at a time") {
  SiteWorld world;
  world.log_in("otto");
  Views views;
  world.command = [&](const std::string&, const web::Json&) { return slow(world.loop, views); };
  event::TaskScope scope(world.loop);
  for (int i = 0; i < 8; ++i) scope.spawn(visit_queue(world, views));
  event::run_until_done(world.loop, scope.join());
  CHECK(views.most == 1);
  CHECK(views.statuses == std::map<int, int>{{200, 5}, {503, 3}});
}

namespace {

// What pages of the queue are made from, and what was asked.
struct Queue {
  explicit Queue(SiteWorld& world) {
    world.log_in("otto");
    token = world.token();
    world.command = [this](const std::string& name, const web::Json& arguments) {
      asked = arguments;
      return answer(name);
    };
  }
  event::Task<admin::Answer> answer(std::string name) const {
    web::Json body = name == "queue.list" ? listing : name == "queue.summary" ? summary : preview;
    co_return admin::Answer(std::move(body));
  }
  web::Json listing = web::Json::object(), summary = listing, preview = listing, asked;
  std::string token;
};

}  // namespace

TEST_CASE(
    "ADR-33 who confirms sees all that the preview says: what else is meant, and whom nobody will tell") {
  SiteWorld world;
  Queue queue(world);
  queue.preview = {{"messages", 2}, {"recipients", 1234}, {"matching", 1200}, {"untold", 7}, {"as_of", 1}};
  const std::string page = world.post("/queue", "token=" + queue.token + "&do=remove&domain=a.example").body;
  CHECK(page.find("2 messages, 1,234 recipients") != page.npos);
  CHECK(page.find("1,200 are as asked for; the other 34 belong to the same messages.") != page.npos);
  CHECK(page.find("7 have failed already, and no sender will be told of them any more.") != page.npos);
  CHECK(page.find("Yes: remove 1,234 recipients") != page.npos);
  CHECK(page.find("name=\"counted\" value=\"1234\"") != page.npos);
}

TEST_CASE("mail goes another way only when it is said which, and what is confirmed says it again") {
  SiteWorld world;
  Queue queue(world);
  queue.preview = {{"messages", 1}, {"recipients", 1}, {"matching", 1}, {"as_of", 1}};
  const std::string form = "token=" + queue.token + "&domain=a.example&do=";
  const std::string refused = world.post("/queue", form + "reroute").body;
  CHECK(refused.find("it is not said where the mail is to go") != refused.npos);
  CHECK(queue.asked.is_null());
  const std::string page = world.post("/queue", form + "reroute&to=[mx.b.example]:26").body;
  CHECK(queue.asked.at("to") == "[mx.b.example]:26");
  CHECK(queue.asked.at("preview") == true);
  CHECK(page.find("To: [mx.b.example]:26.") != page.npos);
  CHECK(page.find("name=\"to\" value=\"[mx.b.example]:26\"") != page.npos);
  world.post("/queue", form + "as-configured&to=[mx.b.example]:26");
  CHECK(queue.asked.at("to") == "");  // the other field counts for the other verb
  world.post("/queue", form + "hold&to=[mx.b.example]:26");
  CHECK_FALSE(queue.asked.contains("to"));
}

TEST_CASE("T-59 a draft of rules goes to the relay as it was written, and names no files there") {
  SiteWorld world;
  Queue queue(world);
  queue.preview = {{"sessions", 3}, {"newly_failing", 2}};
  const std::string form = "token=" + queue.token + "&do=replay&draft=";
  const std::string page = world.post("/partners", form + "%5B%5Bpartner%5D%5D%0D%0Aname+%3D+%22A%22").body;
  CHECK(queue.asked.at("rule") == "[[partner]]\nname = \"A\"");
  CHECK(page.find("2 sessions that went would have been kept back.") != page.npos);
  CHECK(page.find("name = &quot;A&quot;</textarea>") != page.npos);
  queue.asked = {};
  for (const char* draft :
       {"client_key+%3D+%22/etc/shadow%22", "%22client%5Cu005fkey%22+%3D+%22/etc/shadow%22"}) {
    const std::string no = world.post("/partners", form + draft).body;
    CHECK(no.find("without client certificates") != no.npos);
  }
  CHECK(queue.asked.is_null());
}

TEST_CASE("T-59 who acted stands first in the note, which is cut where it is too long") {
  SiteWorld world;
  Queue queue(world);
  world.post("/queue", "token=" + queue.token + "&do=hold&domain=a.example&note=" + std::string(600, 'x'));
  CHECK(queue.asked.at("note").get<std::string>().starts_with("by otto (web): xxx"));
  world.post("/queue", "token=" + queue.token + "&do=hold&domain=a.example");
  CHECK(queue.asked.at("note") == "by otto (web)");
}

TEST_CASE("a row that stands for no value, or for many, is no link") {
  SiteWorld world;
  Queue queue(world);
  web::Json rows = web::Json::array();
  for (const char* name : {"a.example", "(none yet)", "(others)"})
    rows.push_back({{"name", name}, {"recipients", 1}, {"ages", {1}}});
  queue.summary = {{"rows", rows}, {"older_than", {0}}, {"rows_in_all", 3}};
  const std::string page = world.get("/queue").body;
  CHECK(page.find("href=\"/queue?domain=a.example\"") != page.npos);
  CHECK(page.find("href=\"/queue?reason=a.example\"") != page.npos);
  CHECK(page.find("=%28") == page.npos);
  CHECK(page.find("none: its turn has not come") != page.npos);
}

TEST_CASE("T-59 the log says who came, by whose word, and what was done to which mail") {
  SiteWorld world;
  log::keep_recent(true);
  const auto lines = [](const std::string& event) {
    return log::recent(100, [&](std::string_view line) { return line.find(event) != line.npos; });
  };
  world.config.proxies = {*Network::parse("127.0.0.1/32")};
  world.config.proxy_header = "x-remote-user";
  world.more = {{"x-remote-user", "otto"}};
  const std::size_t before = lines("\"web_login\"").size();
  for (int i = 0; i < 3; ++i) world.get("/");
  REQUIRE(lines("\"web_login\"").size() == before + 1);
  CHECK(lines("\"web_login\"").back().find("\"by\":\"proxy\"") != std::string::npos);
  world.post("/queue",
             "token=" + world.token() + "&do=hold&domain=a.example&confirmed=yes&as_of=1&counted=3");
  REQUIRE(!lines("\"web_action\"").empty());
  const std::string action = lines("\"web_action\"").back();
  CHECK(action.find("\"do\":\"hold\",\"confirmed\":\"yes\"") != action.npos);
  CHECK(action.find("domain a.example, as_of 1, counted 3") != action.npos);
  CHECK(action.find("token") == action.npos);
  world.more = {{"x-remote-user", "guest"}};
  CHECK(world.get("/").status == 403);
  CHECK(!lines("\"web_login_refused\"").empty());
  log::keep_recent(false);
}
