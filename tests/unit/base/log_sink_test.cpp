// SPDX-License-Identifier: Apache-2.0
//
// A log that nobody reads, a log file that moves: nobody waits for either.
#include "base/log_sink.hpp"

#include <doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>
#include <string>
#include <thread>

#include "../temporary_directory.hpp"
#include "base/log_file.hpp"

using namespace sealpost;
using namespace std::chrono_literals;

namespace {

// The thread of a sink lives as long as the process, so the sink does.
log::Sink& background_sink() {
  auto* sink = new log::Sink([](log::Level, std::string_view event, log::Fields fields) {
    return log::format_line(log::Format::text, event, fields) + "\n";
  });
  sink->write_in_background();
  return *sink;
}

struct Pipe {
  Pipe() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    out.reset(ends[0]);
    in.reset(ends[1]);
  }
  FileDescriptor out, in;
};

std::string contents(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string line(int n) { return "line " + std::to_string(n) + std::string(100, '.') + "\n"; }

}  // namespace

TEST_CASE("T-48 a log that nobody reads makes nobody wait; what was dropped is counted where it is missing") {
  Pipe pipe;
  log::Sink& sink = background_sink();
  sink.use(pipe.in.get());
  const int lines = static_cast<int>(4 * log::Sink::most_waiting / line(0).size());
  // On a thread of its own, so that one who waits for the reader is found, and not waited for himself.
  std::future<void> added = std::async(std::launch::async, [&] {
    for (int n = 0; n < lines; ++n) sink.add(line(n), n % 100 == 0);
  });
  const bool waits_for_nobody = added.wait_for(1min) == std::future_status::ready;
  CHECK(waits_for_nobody);
  if (!waits_for_nobody) {
    ::signal(SIGPIPE, SIG_IGN);
    pipe.out.reset();  // that ends it
    added.wait();
    return;
  }
  CHECK(sink.dropped() > 0);
  CHECK(sink.waiting() <= log::Sink::most_waiting);
  CHECK_FALSE(sink.finish(10ms));  // bounded, too

  std::string read;
  std::uint64_t told = 0;
  bool told_in_place = true;
  int next = 0;
  std::string piece(1 << 16, '\0');
  while (next + static_cast<int>(told) < lines) {
    const ssize_t got = ::read(pipe.out.get(), piece.data(), piece.size());
    REQUIRE(got > 0);
    read.append(piece, 0, static_cast<std::size_t>(got));
    for (auto end = read.find('\n'); end != std::string::npos; end = read.find('\n')) {
      const std::string one = read.substr(0, end);
      read.erase(0, end + 1);
      std::uint64_t number = 0;
      if (std::sscanf(one.c_str(), "log_dropped lines=%lu", &number) == 1) {
        told += number;
      } else {
        int n = -1;
        REQUIRE(std::sscanf(one.c_str(), "line %d", &n) == 1);
        told_in_place = told_in_place && n == next + static_cast<int>(told);
        ++next;
      }
    }
  }
  CHECK(told == sink.dropped());
  CHECK(told_in_place);
  sink.add(line(lines), false);
  CHECK(sink.finish(10s));
}

TEST_CASE("a log file that was moved is opened again, and nothing is lost on the way") {
  const TemporaryDirectory dir;
  const std::string path = dir.path() + "/log";
  log::Sink& sink = background_sink();
  sink.use(std::move(*log::open_log_file(path)), path);
  sink.add("1 before\n", false);
  std::filesystem::rename(path, path + ".1");
  sink.reopen();
  CHECK(sink.finish(10s));
  while (!std::filesystem::exists(path)) std::this_thread::sleep_for(1ms);
  sink.add("2 after\n", false);
  CHECK(sink.finish(10s));
  CHECK(contents(path + ".1") == "1 before\n");
  CHECK(contents(path) == "2 after\n");

  // It cannot be: the old one is kept, and says why.
  std::filesystem::rename(path, path + ".2");
  std::filesystem::create_directory(path);
  sink.reopen();
  while (contents(path + ".2").find("log_not_reopened") == std::string::npos)
    std::this_thread::sleep_for(1ms);
  sink.add("3 still here\n", false);
  CHECK(sink.finish(10s));
  const std::string kept = contents(path + ".2");
  CHECK(kept.find("is a directory") != std::string::npos);
  CHECK(kept.ends_with("3 still here\n"));
}

TEST_CASE("what is not a log is not written to") {
  const TemporaryDirectory dir;
  const auto refused = [](const std::string& path) {
    const std::string objection = log::log_file_objection(path);  // says the same, and opens nothing
    const auto opened = log::open_log_file(path);
    if (!objection.empty()) CHECK(!opened);
    if (!objection.empty() && !opened) CHECK(opened.error().detail.ends_with(objection));
    return opened ? std::string() : opened.error().detail;
  };
  CHECK(refused(dir.path()).find("directory") != std::string::npos);
  CHECK(!log::log_file_objection(dir.path()).empty());
  CHECK(refused(dir.path() + "/none/log").find("does not exist") != std::string::npos);
  std::ofstream(dir.path() + "/letter") << "Dear Anna,\n";
  CHECK(refused(dir.path() + "/letter").find("not a log") != std::string::npos);
  CHECK(contents(dir.path() + "/letter") == "Dear Anna,\n");
  std::filesystem::create_symlink(dir.path() + "/letter", dir.path() + "/link");
  CHECK(refused(dir.path() + "/link").find("link") != std::string::npos);
  REQUIRE(::mkfifo((dir.path() + "/fifo").c_str(), 0600) == 0);
  CHECK(refused(dir.path() + "/fifo").find("nobody reads") != std::string::npos);
  std::ofstream(dir.path() + "/text") << "2026-01-31T23:59:59.000042Z info started\n";
  std::ofstream(dir.path() + "/json") << "{\"time\":\"2026\"}\n";
  std::ofstream(dir.path() + "/empty") << "";
  for (const char* fine : {"/text", "/json", "/empty", "/new"}) CHECK(refused(dir.path() + fine).empty());
  CHECK(refused("/dev/null").empty());
}
