// SPDX-License-Identifier: Apache-2.0
//
// What the spool costs by itself: messages accepted and finished, on real threads and a real disk.
//   spool_bench DIRECTORY [--clients 64] [--rate 0] [--size 4096] [--seconds 5] [--loops 2] [--answers]
// --clients: sessions that each wait for their answer before the next message. --rate: that many messages a second
// whatever the answers take (then clients are not used). --answers: outcomes say whose word they are, as delivery's do.
//   spool_bench DIRECTORY --fill 100000
// leaves that many messages there, and then measures a start: time, and memory for each message.
#include <fmt/format.h>
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/log.hpp"
#include "event/blocking_pool.hpp"
#include "event/event_loop.hpp"
#include "event/wait.hpp"
#include "spool/driver.hpp"
#include "spool/journal_spool.hpp"
#include "spool/posix_disk.hpp"

using namespace sealpost;
using namespace sealpost::spool;
using Clock = std::chrono::steady_clock;

namespace {

struct Plan {
  std::string directory;
  unsigned clients = 64;
  unsigned rate = 0;
  std::size_t size = 4096;
  unsigned seconds = 5;
  unsigned loops = 2;
  unsigned fill = 0;
  bool answers = false;
};

struct Worker {
  explicit Worker(JournalSpool& spool_, const Plan& plan_) : spool(spool_), plan(plan_) {}
  JournalSpool& spool;
  const Plan& plan;
  std::unique_ptr<event::EventLoop> loop;
  std::vector<double> milliseconds;
  std::uint64_t failed = 0;
  std::uint64_t open = 0;
};

NewMessage a_message(const Worker& worker) {
  NewMessage message;
  message.id = MessageId::make(worker.loop->wall());
  message.envelope.reverse_path = "sender@origin.example";
  message.envelope.arrival = worker.loop->wall();
  message.envelope.received_from = "client.example ([192.0.2.1])";
  message.envelope.recipients.emplace_back("somebody@target.example");
  message.body.assign(worker.plan.size, 'x');
  return message;
}

event::Task<void> finish(Worker& worker, MessageId id) {
  Outcome outcome;
  outcome.id = id;
  AnswerPtr answer;
  if (worker.plan.answers) {
    Answer said;
    said.status = "2.0.0";
    said.host = "mx1.mail.target.example";
    said.address = "192.0.2.125";
    answer = std::make_shared<const Answer>(std::move(said));
  }
  outcome.recipients.emplace_back(0, RecipientState::delivered, "250 2.0.0 Ok: queued as 0123456789",
                                  std::move(answer));
  std::vector<NewMessage> none;
  const auto finished =
      co_await worker.spool.finish_attempt(*worker.loop, std::move(outcome), std::move(none));
  if (!finished) ++worker.failed;
  --worker.open;
}

event::Task<void> accept_and_finish(Worker& worker, event::TaskScope& scope) {
  const auto began = Clock::now();
  NewMessage message = a_message(worker);
  const MessageId id = message.id;
  ++worker.open;
  const auto stored = co_await worker.spool.store(*worker.loop, std::move(message));
  worker.milliseconds.push_back(std::chrono::duration<double, std::milli>(Clock::now() - began).count());
  if (stored) {
    scope.spawn(finish(worker, id));
    co_return;
  }
  ++worker.failed;
  --worker.open;
}

event::Task<void> client(Worker& worker, event::TaskScope& scope, Clock::time_point end) {
  while (Clock::now() < end) co_await accept_and_finish(worker, scope);
}

event::Task<void> fill(Worker& worker, unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    NewMessage message = a_message(worker);
    const auto stored = co_await worker.spool.store(*worker.loop, std::move(message));
    if (!stored) ++worker.failed;
  }
}

event::Task<void> source(Worker& worker, event::TaskScope& scope, Clock::time_point end) {
  const auto began = Clock::now();
  std::uint64_t sent = 0;
  while (Clock::now() < end) {
    const double passed = std::chrono::duration<double>(Clock::now() - began).count();
    const auto due = static_cast<std::uint64_t>(passed * worker.plan.rate / worker.plan.loops);
    for (; sent < due; ++sent) scope.spawn(accept_and_finish(worker, scope));
    const Duration pause = std::chrono::microseconds(100);
    co_await event::sleep_for(*worker.loop, pause);
  }
}

event::Task<void> drain(Worker& worker, event::TaskScope& scope, event::TaskScope& clients) {
  co_await clients.join();
  co_await scope.join();
  worker.loop->stop();
}

void run(Worker& worker) {
  worker.loop = std::make_unique<event::EventLoop>();
  const auto end = Clock::now() + std::chrono::seconds(worker.plan.seconds);
  event::TaskScope messages(*worker.loop), clients(*worker.loop), last(*worker.loop);
  const unsigned clients_here = std::max(1u, worker.plan.clients / worker.plan.loops);
  for (unsigned i = 0; worker.plan.fill > 0 && i < clients_here; ++i)
    clients.spawn(fill(worker, worker.plan.fill / worker.plan.loops / clients_here));
  if (worker.plan.fill == 0 && worker.plan.rate > 0) clients.spawn(source(worker, messages, end));
  for (unsigned i = 0; worker.plan.fill == 0 && worker.plan.rate == 0 && i < clients_here; ++i)
    clients.spawn(client(worker, messages, end));
  last.spawn(drain(worker, messages, clients));
  worker.loop->run();
}

double cpu_seconds_of(const std::string& thread) {
  double sum = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(entry.path() / "comm"), name);
    if (name != thread) continue;
    double nanoseconds = 0;
    std::ifstream(entry.path() / "schedstat") >> nanoseconds;
    sum += nanoseconds / 1e9;
  }
  return sum;
}

std::uint64_t octets_to_disk() {
  std::ifstream file("/proc/self/io");
  for (std::string key; file >> key;) {
    std::uint64_t value = 0;
    file >> value;
    if (key == "write_bytes:") return value;
  }
  return 0;
}

std::uint64_t resident_octets() {
  std::uint64_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * 4096;
}

int measure_start(Disk& disk, event::BlockingPool& pool) {
  ::malloc_trim(0);
  const std::uint64_t before = resident_octets();
  const auto driver = make_thread_driver();
  const auto began = Clock::now();
  auto spool = JournalSpool::open(disk, *driver, pool, SpoolOptions());
  if (!spool) return fmt::print("{}\n", spool.error().detail), 1;
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  const auto recovered = (*spool)->take_recovered();
  const std::uint64_t after = resident_octets();
  const auto count = static_cast<double>(std::max<std::size_t>(1, recovered.size()));
  fmt::print("start with {} messages: {:.2f} s, {:.0f} octets of memory each\n", recovered.size(), seconds,
             static_cast<double>(after - before) / count);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Plan plan;
  CLI::App app("What the spool costs by itself");
  app.add_option("directory", plan.directory, "spool directory, made when missing")->required();
  app.add_option("--clients", plan.clients, "sessions that wait for their answer");
  app.add_option("--rate", plan.rate, "messages a second, whatever the answers take");
  app.add_option("--size", plan.size, "octets of a body");
  app.add_option("--seconds", plan.seconds, "how long");
  app.add_option("--fill", plan.fill, "leave so many messages, then measure a start");
  app.add_flag("--answers", plan.answers);
  app.add_option("--loops", plan.loops, "threads with sessions");
  CLI11_PARSE(app, argc, argv);

  auto disk = open_posix_disk(plan.directory);
  if (!disk) return fmt::print("{}\n", disk.error().detail), 1;
  event::ThreadPool pool(2, 1024);
  const auto driver = make_thread_driver();
  auto spool = JournalSpool::open(**disk, *driver, pool, SpoolOptions());
  if (!spool) return fmt::print("{}\n", spool.error().detail), 1;
  std::this_thread::sleep_for(std::chrono::seconds(1));  // spares are made

  const auto before = (*spool)->counters();
  const double cpu_before = cpu_seconds_of("spool");
  const std::uint64_t octets_before = octets_to_disk();
  const auto began = Clock::now();
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < plan.loops; ++i) {
    workers.push_back(std::make_unique<Worker>(**spool, plan));
    threads.emplace_back([worker = workers.back().get()] { run(*worker); });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  const auto after = (*spool)->counters();

  if (plan.fill > 0) {
    spool->reset();
    workers.clear();
    return measure_start(**disk, pool);
  }
  std::vector<double> times;
  std::uint64_t failed = 0;
  for (const auto& worker : workers) {
    times.insert(times.end(), worker->milliseconds.begin(), worker->milliseconds.end());
    failed += worker->failed;
  }
  std::sort(times.begin(), times.end());
  const auto messages = static_cast<double>(after.messages - before.messages);
  fmt::print("{:.0f} messages in {:.1f} s: {:.0f}/s, {} failed\n", messages, seconds, messages / seconds,
             failed);
  fmt::print("acknowledged after p50 {:.2f} ms, p99 {:.2f} ms, max {:.2f} ms\n", times[times.size() / 2],
             times[times.size() * 99 / 100], times.back());
  fmt::print(
      "{:.4f} syncs, {:.0f} octets of records, {:.0f} octets written, {:.2f} us of the spool's thread each\n",
      static_cast<double>(after.syncs - before.syncs) / messages,
      static_cast<double>(after.octets - before.octets) / messages,
      static_cast<double>(octets_to_disk() - octets_before) / messages,
      (cpu_seconds_of("spool") - cpu_before) * 1e6 / messages);
  fmt::print("{} segments, {} messages left\n", after.segments, after.live_messages);
  (*spool)->close();
}
