// SPDX-License-Identifier: Apache-2.0
//
// What deliveries work with, for tests: a real journal on a simulated disk, a shard, and a world without TLS, hosts and
// reports. Who delivers is the test's.
#pragma once

#include <doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../dns/table_resolver.hpp"
#include "delivery/context.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "spool/journal_spool.hpp"
#include "spool/sim_disk.hpp"
#include "sts/off.hpp"

namespace sealpost::delivery {

class NoTls final : public tls::Client {
  event::Task<Expected<tls::Secured>> handshake(std::unique_ptr<event::Stream>, tls::ClientOptions,
                                                Duration) override {
    co_return Error(Errc::tls, "none here");
  }
};
class NoConnector final : public event::Connector {
 public:
  std::size_t tried = 0;
  std::size_t starved = 0;           // so many calls find no descriptor
  event::Loop* stall = nullptr;      // answers after an hour of its time
  event::Connector* real = nullptr;  // goes on to this one

 private:
  event::Task<Expected<std::unique_ptr<event::Stream>>> connect(Endpoint to, Duration limit) override {
    ++tried;
    if (starved > 0) {
      --starved;
      co_return Error(Errc::no_space, "Too many open files");
    }
    if (real != nullptr) {
      auto stream = co_await real->connect(to, limit);
      co_return stream;
    }
    if (stall != nullptr) co_await event::sleep_for(*stall, std::chrono::hours(1));
    co_return Error(Errc::refused, "none here");
  }
};
class NoRecorder final : public tlsrpt::Recorder {
  void count(tlsrpt::SessionRecord) noexcept override {}
};

inline queue::ScheduleSettings short_schedule() {
  queue::ScheduleSettings settings;
  settings.retry = {std::chrono::minutes(5), std::chrono::minutes(10)};
  settings.lifetime = std::chrono::hours(2);
  settings.delay_notice = std::chrono::minutes(30);
  return settings;
}

struct DeliveryWorld {
  explicit DeliveryWorld(std::uint32_t connections_per_host = 100) : hosts(connections_per_host) { open(); }

  void open() {
    driver = spool::make_loop_driver(loop, std::chrono::milliseconds(1));
    spool::SpoolOptions options;
    options.segment_size = 1 << 20;
    options.floor = 0;
    options.floor_percent = 0;
    auto opened = spool::JournalSpool::open(disk, *driver, pool, options);
    REQUIRE(opened);
    journal = std::move(*opened);
    shard = std::make_unique<queue::Shard>(loop, queue::ShardSettings(), schedule);
    dispatcher = std::make_unique<queue::Dispatcher>(std::vector<queue::Shard*>{shard.get()},
                                                     queue::RouteTable(), schedule);
    context = std::make_unique<Context>(Context{loop, resolver, sts, tls, connector, *journal, recorder,
                                                *dispatcher, hosts, guard, totals, [] { return 512U; },
                                                nullptr, notices.get(), &sites});
  }
  // The process dies: the disk keeps what was synced. Who delivers is gone already.
  std::vector<spool::StoredMessagePtr> reopen() {
    shard.reset();
    journal.reset();
    driver.reset();
    disk.crash(spool::SimDisk::Loss::all);
    open();
    return journal->take_recovered();
  }

  spool::NewMessage message(std::string from, std::vector<std::string> to) {
    spool::NewMessage made;
    made.id = MessageId::make(loop.wall());
    made.envelope.reverse_path = std::move(from);
    made.envelope.arrival = loop.wall();
    for (auto& address : to) made.envelope.recipients.emplace_back(std::move(address));
    made.body = "Message-ID: <1@here.example>\r\nSubject: x\r\n\r\nbody\r\n";
    return made;
  }
  MessageId accept(spool::NewMessage made) {
    const MessageId id = made.id;
    auto stored = event::run_until_done(loop, journal->store(loop, std::move(made)));
    REQUIRE(stored);
    dispatcher->accepted(*stored);
    return id;
  }
  std::string body(const spool::StoredMessagePtr& stored) {
    const auto reader = journal->open(loop, stored);
    std::string all;
    for (;;) {
      const auto piece = event::run_until_done(loop, reader->next());
      if (!piece || piece->empty()) return all;
      all += *piece;
    }
  }
  std::vector<queue::QueueEntry> queued() const {
    std::vector<queue::QueueEntry> entries;
    shard->list(entries, 10'000);
    return entries;
  }

  event::SimLoop loop;
  spool::SimDisk disk{1};
  event::InlinePool pool;
  std::unique_ptr<spool::Driver> driver;
  std::unique_ptr<spool::JournalSpool> journal;
  dns::test::TableResolver resolver{loop};
  sts::StsOff sts;
  NoTls tls;
  NoConnector connector;
  NoRecorder recorder;
  HostRegistry hosts;
  queue::Sites sites{queue::Concurrency::Bounds()};
  NxGuard guard;
  std::unique_ptr<NoticeBudget> notices;  // null at first
  Totals totals;
  queue::Schedule schedule{short_schedule()};
  std::unique_ptr<queue::Dispatcher> dispatcher;
  std::unique_ptr<Context> context;
  std::unique_ptr<queue::Shard> shard;
};

}  // namespace sealpost::delivery
