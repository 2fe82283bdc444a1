// SPDX-License-Identifier: Apache-2.0
//
// What a large MTA-STS cache costs: opening it, keeping it open, reading single policies, and rebuilding it from its
// second copy.
//   build/release/tests/bench/sts_cache_bench --policies 1000000
#include <malloc.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/random.hpp"
#include "sts/cache.hpp"

namespace {

using namespace sealpost;
using namespace sealpost::sts;
using Clock = std::chrono::steady_clock;

std::string domain_of(std::uint64_t number) { return "domain-" + std::to_string(number) + ".example"; }

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::size_t resident() {
  ::malloc_trim(0);
  std::ifstream statm("/proc/self/statm");
  std::size_t size = 0, pages = 0;
  statm >> size >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

template <class T>
T must(Expected<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "sts_cache_bench: %s\n", result.error().detail.c_str());
  std::exit(1);
}

void fill(const std::string& directory, std::uint64_t count, SystemTime now) {
  StsDatabase database(directory + "/sts.db", nullptr);
  const auto opened = database.file().open();
  CopyPosition alone;
  alone.name = "none";
  const auto done = database.transaction([&] {
    Expected<void> put;
    for (std::uint64_t i = 0; i < count && put; ++i) {
      StsEntry entry;
      entry.domain = domain_of(i);
      entry.id = "20260101000000Z";
      entry.body = "version: STSv1\r\nmode: enforce\r\nmx: mx1." + entry.domain + "\r\nmx: *.mail." +
                   entry.domain + "\r\nmax_age: 604800\r\n";
      entry.fetched = entry.last_attempt = entry.last_used = now;
      entry.expires = now + std::chrono::hours(168);
      entry.next_refresh = now + std::chrono::seconds(random_below(86400));
      put = database.put(entry);
    }
    return put ? database.set_position(alone) : put;
  });
  if (!opened || !done) {
    std::fprintf(stderr, "sts_cache_bench: %s\n", done.error().detail.c_str());
    std::exit(1);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Cost of a large MTA-STS cache");
  std::uint64_t count = 1'000'000;
  std::uint64_t lookups = 20'000;
  app.add_option("--policies", count, "policies in the cache");
  app.add_option("--lookups", lookups, "single policies to read, at random");
  CLI11_PARSE(app, argc, argv);

  std::string directory = (std::filesystem::temp_directory_path() / "sealpost-sts-XXXXXX").string();
  if (::mkdtemp(directory.data()) == nullptr) return 1;
  const SystemTime now = std::chrono::time_point_cast<SystemTime::duration>(std::chrono::system_clock::now());
  fill(directory, count, now);
  auto start = Clock::now();
  must(StsCache::open(directory)).reset();  // makes the second copy
  std::printf("second copy written in %.2f s\n", seconds_since(start));

  const std::size_t before = resident();
  start = Clock::now();
  auto cache = must(StsCache::open(directory));
  const double opened = seconds_since(start);
  const double each = static_cast<double>(resident() - before) / static_cast<double>(count);
  std::printf("%llu policies opened in %.4f s, %.1f octets of memory each\n",
              static_cast<unsigned long long>(count), opened, each);

  start = Clock::now();
  for (std::uint64_t i = 0; i < lookups; ++i) {
    if (!must(cache->load(domain_of(random_below(count))))) return 1;
  }
  std::printf("read one: %.1f us\n", seconds_since(start) * 1e6 / static_cast<double>(lookups));
  start = Clock::now();
  const auto due = must(cache->look(now + std::chrono::hours(1), 64).due);
  std::printf("64 that are due: %.2f ms\n", seconds_since(start) * 1e3);
  cache.reset();

  for (const char* name : {"/sts.db", "/sts.db-wal", "/sts.db-shm"})
    std::filesystem::remove(directory + name);
  start = Clock::now();
  must(StsCache::open(directory)).reset();
  std::printf("rebuilt from the second copy in %.2f s\n", seconds_since(start));
  std::filesystem::remove_all(directory);
  const bool good = opened < 2.0 && each < 200.0 && due.size() == 64;
  std::printf("%s\n", good ? "within bounds (2 s, 200 octets)" : "NOT within bounds (2 s, 200 octets)");
  return good ? 0 : 1;
}
