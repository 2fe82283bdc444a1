// SPDX-License-Identifier: Apache-2.0
//
// The spool on real threads and a real file system: several loops, sessions that all wait, bodies from the page cache
// and from the reader threads.
#include <doctest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "../temporary_directory.hpp"
#include "event/event_loop.hpp"
#include "spool/posix_disk.hpp"
#include "spool_world.hpp"

using namespace sealpost;
using namespace sealpost::spool;

namespace {

struct RealSpool {
  explicit RealSpool(const std::string& directory, KeepingFollower* follower = nullptr) {
    options.segment_size = 4u << 20;
    options.follower_pause = std::chrono::milliseconds(2);
    options.floor = 0;
    options.floor_percent = 0;
    disk = std::move(open_posix_disk(directory).value());
    pool = std::make_unique<event::ThreadPool>(2, 1024);
    driver = make_thread_driver();
    follower_driver = make_thread_driver();
    std::vector<FollowerOnDriver> followers;
    if (follower != nullptr) followers.push_back({follower, follower_driver.get()});
    spool = std::move(JournalSpool::open(*disk, *driver, *pool, options, nullptr, followers).value());
  }
  ~RealSpool() {
    spool.reset();
    driver.reset();
    follower_driver.reset();
    pool.reset();
  }
  SpoolOptions options;
  std::unique_ptr<Disk> disk;
  std::unique_ptr<event::ThreadPool> pool;
  std::unique_ptr<Driver> driver, follower_driver;
  std::unique_ptr<JournalSpool> spool;
};

struct Counts {
  std::atomic<unsigned> stored{0}, wrong{0};
};

std::string own_body(unsigned number) {
  return std::string(3000 + number % 2000, static_cast<char>('a' + number % 26));
}

// Accepts `count` messages, one after the other; every third stays, half of the others needs a second attempt.
event::Task<void> session(event::Loop& loop, JournalSpool& spool, unsigned first, unsigned count,
                          Counts& counts) {
  for (unsigned number = first; number < first + count; ++number) {
    NewMessage message = message_of(number, own_body(number));
    const auto stored = co_await spool.store(loop, std::move(message));
    if (!stored) {
      ++counts.wrong;
      continue;
    }
    ++counts.stored;
    if (number % 3 == 0) continue;
    std::vector<NewMessage> none;
    if (number % 2 == 0) {
      Outcome deferred = outcome_of(number, RecipientState::pending);
      const auto finished = co_await spool.finish_attempt(loop, std::move(deferred), none);
      std::vector<std::uint32_t> first_recipient(1, 0);
      const auto begun = co_await spool.begin_attempt(loop, id_of(number), std::move(first_recipient));
      const auto reader = spool.open(loop, *stored);
      const auto body = co_await read_all(*reader);
      if (!finished || !begun || !body || *body != own_body(number)) ++counts.wrong;
    }
    Outcome delivered = outcome_of(number, RecipientState::delivered);
    const auto finished = co_await spool.finish_attempt(loop, std::move(delivered), none);
    if (!finished) ++counts.wrong;
  }
}

event::Task<void> stop_when_done(event::TaskScope& scope) {
  co_await scope.join();
  scope.loop().stop();
}

void run_loop(JournalSpool& spool, unsigned worker, unsigned sessions, unsigned each, Counts& counts) {
  event::EventLoop loop;
  event::TaskScope scope(loop), last(loop);
  for (unsigned i = 0; i < sessions; ++i)
    scope.spawn(session(loop, spool, 1 + (worker * sessions + i) * each, each, counts));
  last.spawn(stop_when_done(scope));
  loop.run();
}

event::Task<Expected<std::string>> read_message(event::Loop& loop, JournalSpool& spool,
                                                StoredMessagePtr message) {
  const auto reader = spool.open(loop, std::move(message));
  co_return co_await read_all(*reader);
}

}  // namespace

TEST_CASE(
    "D-01 D-05 D-06: loops on threads share the spool; all that was confirmed is there, and was followed") {
  constexpr unsigned workers = 3, sessions = 16, each = 20, total = workers * sessions * each;
  const TemporaryDirectory base;
  Counts counts;
  KeepingFollower follower;
  {
    RealSpool real(base.path() + "/spool", &follower);
    std::vector<std::thread> threads;
    for (unsigned worker = 0; worker < workers; ++worker)
      threads.emplace_back([&, worker] { run_loop(*real.spool, worker, sessions, each, counts); });
    for (std::thread& thread : threads) thread.join();
    CHECK(counts.stored == total);
    CHECK(counts.wrong == 0);
    CHECK(real.spool->counters().live_messages == total / 3);
    CHECK(real.spool->counters().syncs < total);
    real.spool->close();
    CHECK(real.spool->followers().front().octets_behind == 0);
  }
  CHECK(follower.gaps.empty());
  const auto messages =
      std::count_if(follower.entries.begin(), follower.entries.end(),
                    [](const auto& entry) { return std::holds_alternative<MessageRecord>(entry.record); });
  CHECK(messages == total);
  RealSpool real(base.path() + "/spool");
  const auto recovered = real.spool->take_recovered();
  CHECK(recovered.size() == total / 3);
  event::EventLoop loop;
  for (const auto& message : recovered) {
    const auto body = event::run_until_done(loop, read_message(loop, *real.spool, message));
    const auto& bytes = message->id.bytes();
    const unsigned number = unsigned{bytes[14]} * 256 + bytes[15];
    CHECK(number % 3 == 0);
    CHECK(body.value() == own_body(number));
  }
}

TEST_CASE("T-51 D-21: the files are private, and a planted segment stops the start") {
  const TemporaryDirectory base;
  const std::string path = base.path() + "/spool";
  { const RealSpool real(path); }
  unsigned files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    const auto others = std::filesystem::perms::group_all | std::filesystem::perms::others_all;
    CHECK((entry.status().permissions() & others) == std::filesystem::perms::none);
    files += entry.is_regular_file() ? 1U : 0U;
  }
  CHECK(files >= 1);
  std::filesystem::create_symlink("/dev/zero", path + "/journal/" + segment_name(999));
  const auto disk = open_posix_disk(path);
  REQUIRE(disk);
  event::ThreadPool pool(1, 10);
  const auto driver = make_thread_driver();
  const auto spool = JournalSpool::open(**disk, *driver, pool, SpoolOptions());
  REQUIRE_FALSE(spool);
  CHECK(spool.error().code == Errc::refused);
}

TEST_CASE("D-28: close() from another thread keeps what was taken and loses no answer") {
  const TemporaryDirectory base;
  Counts counts;
  unsigned stored = 0;
  {
    RealSpool real(base.path() + "/spool");
    event::EventLoop loop;
    event::TaskScope scope(loop), last(loop);
    for (unsigned i = 0; i < 8; ++i) scope.spawn(session(loop, *real.spool, 1 + i * 300, 300, counts));
    last.spawn(stop_when_done(scope));
    std::thread closer([&] {
      while (counts.stored < 100) std::this_thread::yield();
      real.spool->close();
    });
    loop.run();  // ends: every session gets its answers, refusals after close()
    closer.join();
    stored = static_cast<unsigned>(real.spool->counters().messages);
    CHECK(stored == counts.stored);
    CHECK(stored < 8 * 300);
  }
  RealSpool real(base.path() + "/spool");
  for (const auto& message : real.spool->take_recovered()) CHECK_FALSE(message->progress[0].attempting);
}
