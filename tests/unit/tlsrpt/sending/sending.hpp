// SPDX-License-Identifier: Apache-2.0
//
// A report sender in a small world: a database in memory's place, a table of names, an HTTPS side that answers as told,
// an outbox, and a clock that the test moves.
#pragma once

#include <doctest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>

#include "../../dns/table_resolver.hpp"
#include "../../mail/example_signer.hpp"
#include "../../temporary_directory.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "tlsrpt/sending/sender.hpp"

namespace sealpost::tlsrpt::test {

// The database answers at once, on the loop's own thread.
class DirectStore final : public StoreAccess {
 public:
  explicit DirectStore(const std::string& path) : store_(Store::open(path).value()) {}
  Store& store() { return store_; }

 private:
  void post(std::function<void(Store&)> work) override { work(store_); }
  Store store_;
};

class FakeHttp final : public http::Client {
 public:
  explicit FakeHttp(event::Loop& loop) : loop_(loop) {}
  event::Task<Expected<http::Response, http::Failure>> send(http::Request request) override {
    at.push_back(loop_.wall());
    requests.push_back(request);
    if (takes > Duration::zero()) co_await event::sleep_for(loop_, takes);
    if (status == 0) co_return http::Failure(http::FailureKind::timed_out, "timed-out", "no answer");
    http::Response response;
    response.status = status;
    co_return response;
  }
  int status = 201;  // 0: no answer
  Duration takes{};
  std::vector<http::Request> requests;
  std::vector<SystemTime> at;

 private:
  event::Loop& loop_;
};

class FakeOutbox final : public Outbox {
 public:
  event::Task<Expected<std::string>> queue(std::string, std::string to, std::string text) override {
    if (refuses > 0) {
      --refuses;
      co_return Error(Errc::unavailable, "the journal is full");
    }
    mails.emplace_back(std::move(to), std::move(text));
    co_return std::string("01K");
  }
  std::vector<std::pair<std::string, std::string>> mails;
  int refuses = 0;  // so many times
};

// It is 2026-01-05 05:00 UTC; sessions are of the day before.
struct World {
  explicit World(SenderSettings settings_ = make_settings())
      : loop(event::SimLoop::default_start + std::chrono::hours(5)),
        db(dir.path() + "/tlsrpt.db"),
        resolver(loop),
        http(loop),
        settings(std::move(settings_)) {
    sender = std::make_unique<Sender>(loop, db, resolver, http, outbox, settings,
                                      std::vector<DkimSigner>{signer()});
    scope = std::make_unique<event::TaskScope>(loop);
  }

  static SenderSettings make_settings() {
    SenderSettings settings;
    settings.send = true;
    settings.identity.organization = "Home";
    settings.identity.contact = "tls@home.example";
    settings.from = "tls@home.example";
    return settings;
  }
  static DkimSigner signer() { return example_signer("home.example"); }
  static constexpr const char* yesterday = "2026-01-04";

  void counted(const std::string& domain, const std::string& day = yesterday) {
    CountedEntry entry;
    entry.key.day = day;
    entry.key.domain = domain;
    entry.key.type = "no-policy-found";
    entry.key.policy_domain = domain;
    entry.success = true;
    REQUIRE(db.store().add({entry}));
  }
  void publishes(const std::string& domain, const std::string& record) {
    resolver.text("_smtp._tls." + domain, {record});
  }
  void has_address(const std::string& host, const std::string& address = "44.128.0.9") {
    resolver.address(host, {address});
  }
  void run_for(Duration time) {
    if (scope->size() == 0) scope->spawn(sender->run());
    loop.advance(time);
  }
  std::vector<ReportJob> rows(const std::string& domain) {
    return Jobs(db.store()).of_domain(domain, 100).value();
  }
  ReportJob row(const std::string& domain) {
    const auto all = rows(domain);
    REQUIRE(all.size() == 1);
    return all.front();
  }

  TemporaryDirectory dir;
  event::SimLoop loop;
  DirectStore db;
  dns::test::TableResolver resolver;
  FakeHttp http;
  FakeOutbox outbox;
  SenderSettings settings;
  std::unique_ptr<Sender> sender;
  std::unique_ptr<event::TaskScope> scope;  // dies before what its tasks use
};

}  // namespace sealpost::tlsrpt::test
