// SPDX-License-Identifier: Apache-2.0
//
// Accounts on a simulated loop, as somebody talks to them who can say anything: how often the file was read and a password
// hashed is counted, and there may be no room for either.
#pragma once

#include <doctest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../sts/scratch_directory.hpp"
#include "auth/accounts.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "scram_client.hpp"
#include "some_users.hpp"

namespace sealpost::auth::test {

using namespace std::chrono_literals;
using sealpost::test::ScramClient;
using sealpost::test::ScratchDirectory;
using sealpost::test::some_user;
using Kind = Step::Kind;

// Does the work at once, and counts it; or has no room.
class CountingPool final : public event::BlockingPool {
 public:
  CountingPool(int& count, bool& full) : count_(count), full_(full) {}
  bool submit(std::function<void()> work) override {
    if (full_) return false;
    ++count_;
    if (held) {
      kept.push_back(std::move(work));
      return true;
    }
    work();
    if (then) std::exchange(then, nullptr)();
    return true;
  }
  std::function<void()> then;               // once
  bool held = false;                        // from now on
  std::vector<std::function<void()>> kept;  // never done

 private:
  int& count_;
  bool& full_;
};

struct Office {
  explicit Office(BrakeSettings brakes = {}, AccountsSettings settings = {}) {
    settings.brakes = brakes;
    settings.reading = std::make_unique<CountingPool>(reads, reading_full);
    auto pool = std::make_unique<CountingPool>(hashes, hashing_full);
    hashing = pool.get();
    settings.hashing = std::move(pool);
    settings.hashing_threads = 2;
    settings.most_waiting = 8;
    settings.kept_back = 4;
    settings.now = [this] { return loop.now(); };
    accounts = std::make_unique<Accounts>(dir.path(), &health, std::move(settings));
    channel.client = IpAddress::parse("192.0.2.1").value();
    channel.encrypted = true;
    channel.tls_exporter = "exporter";
    channel.tls_server_end_point = "end point";
  }
  UserStore& store() {
    if (!writing) {
      writing.emplace(dir.path(), Access::write);
      REQUIRE(writing->open());
    }
    return *writing;
  }
  void add(std::string name, std::string_view password) {
    REQUIRE(store().add(some_user(std::move(name), password)));
  }
  std::unique_ptr<Exchange> begin(std::string_view mechanism) {
    return accounts->begin(loop, mechanism, channel);
  }
  Step say(Exchange& exchange, std::string_view message) {
    return event::run_until_done(loop, exchange.step(std::string(message)));
  }
  Step plain(const std::string& name, const std::string& password, const std::string& as = {}) {
    return say(*begin("PLAIN"), as + '\0' + name + '\0' + password);
  }
  Step login(const std::string& name, const std::string& password) {
    const auto exchange = begin("LOGIN");
    CHECK(say(*exchange, "").text == "Username:");
    CHECK(say(*exchange, name).text == "Password:");
    return say(*exchange, password);
  }
  Step scram(ScramClient& client, std::string_view mechanism = "SCRAM-SHA-256") {
    const auto exchange = begin(mechanism);
    const Step first = say(*exchange, client.first());
    if (first.kind != Kind::challenge) return first;
    return say(*exchange, client.final(first.text));
  }

  ScratchDirectory dir;
  Health health;
  event::SimLoop loop;
  int reads = 0, hashes = 0;
  bool reading_full = false, hashing_full = false;
  CountingPool* hashing = nullptr;
  std::optional<UserStore> writing;
  Channel channel;
  std::unique_ptr<Accounts> accounts;
};

inline BrakeSettings no_brakes() {
  BrakeSettings brakes;
  brakes.free_of_pair = brakes.free_of_network = brakes.free_of_name = 1'000'000;
  return brakes;
}

// One step, for a scope; how it ended goes to `endings` unless the task is gone before.
inline event::Task<void> speak(Exchange& exchange, std::string message, std::vector<Step::Kind>& endings) {
  const Step step = co_await exchange.step(std::move(message));
  endings.push_back(step.kind);
}

}  // namespace sealpost::auth::test
