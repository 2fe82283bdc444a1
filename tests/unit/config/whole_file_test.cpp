// SPDX-License-Identifier: Apache-2.0
#include "config/whole_file.hpp"

#include <doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "config/config.hpp"
#include "partner/load_config.hpp"
#include "partner/partner_file.hpp"

using namespace sealpost;
using namespace sealpost::app;

namespace {

const SystemTime now{std::chrono::sys_days{std::chrono::year{2026} / 7 / 1}};
const std::string rule = "[[partner]]\nname = \"P\"\ndomains = [\"p.test\"]\ntls = \"encrypt\"\n";

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/sealpost-files-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path + "/" + name) << text;
    return path + "/" + name;
  }
};

std::string told(const Findings& findings) {
  std::string all;
  for (const Finding& finding : findings) all += finding.to_string() + "\n";
  return all;
}

// What can stand where a file of rules was, and a part of what must be said of it.
struct Accident {
  const char* name;
  void (*make)(const Folder&, const std::string& path);
  const char* said;
};
const Accident accidents[] = {
    {"truncated to nothing", [](const Folder&, const std::string& at) { std::ofstream{at}; }, "is empty"},
    {"white space", [](const Folder&, const std::string& at) { std::ofstream(at) << " \n\n\t\n"; },
     "is empty"},
    {"comments", [](const Folder&, const std::string& at) { std::ofstream(at) << "# rules\n#[[partner]]\n"; },
     "sets nothing: all of it is comments"},
    {"a heading", [](const Folder&, const std::string& at) { std::ofstream(at) << "[tls]\n"; },
     "sets nothing"},
    {"gone", [](const Folder&, const std::string&) {}, "is not there"},
    {"directory", [](const Folder&, const std::string& at) { std::filesystem::create_directory(at); },
     "is a directory and no file"},
    {"pipe", [](const Folder&, const std::string& at) { REQUIRE(::mkfifo(at.c_str(), 0600) == 0); },
     "is a pipe and no file"},
    {"dangling link",
     [](const Folder&, const std::string& at) { std::filesystem::create_symlink("/no/such", at); },
     "is a link to /no/such, which is not there"},
    {"links in a circle",
     [](const Folder&, const std::string& at) { std::filesystem::create_symlink(at, at); },
     "lead in a circle"},
    {"device", [](const Folder&, const std::string& at) { std::filesystem::create_symlink("/dev/null", at); },
     "is a device and no file"},
    {"cut within a word",
     [](const Folder&, const std::string& at) { std::ofstream(at) << rule.substr(0, 30); }, ""},
    {"zeros after a crash",
     [](const Folder&, const std::string& at) { std::ofstream(at) << std::string(200, '\0'); }, ""},
};

}  // namespace

TEST_CASE("T-52 what stands in the place of a configuration is an error, never the defaults") {
  for (const Accident& accident : accidents) {
    CAPTURE(accident.name);
    const Folder folder;
    const std::string path = folder.path + "/sealpost.toml";
    accident.make(folder, path);
    const LoadResult loaded = load_config(path);
    CHECK_FALSE(loaded.ok());
    CHECK(told(loaded.findings).find(path) != std::string::npos);
    CHECK_MESSAGE(told(loaded.findings).find(accident.said) != std::string::npos, told(loaded.findings));
  }
}

TEST_CASE("T-52 what stands in the place of a partner file is an error, never no rules") {
  for (const Accident& accident : accidents) {
    if (std::string(accident.name) == "gone")
      continue;  // then no directory names it: compared with what was in force
    CAPTURE(accident.name);
    const Folder folder;
    folder.write("a.toml", "[[partner]]\nname = \"A\"\ndomains = [\"a.test\"]\ntls = \"encrypt\"\n");
    accident.make(folder, folder.path + "/p.toml");
    const PartnerFiles files = read_partner_directory(folder.path, now);
    CHECK(has_errors(files.findings));
    CHECK(told(files.findings).find(folder.path + "/p.toml") != std::string::npos);
    CHECK_MESSAGE(told(files.findings).find(accident.said) != std::string::npos, told(files.findings));
  }
}

TEST_CASE("T-52 a directory of rules without rules is an error, and names that are nearly right are said") {
  const Folder folder;
  CHECK(told(read_partner_directory(folder.path, now).findings).find("holds no partner file") !=
        std::string::npos);
  folder.write("p.toml", rule);
  folder.write(".#p.toml", "not TOML");
  folder.write("p.toml~", "not TOML");
  folder.write("#p.toml#", "not TOML");
  CHECK(told(read_partner_directory(folder.path, now).findings).empty());
  folder.write("q.toml.off", rule);
  const PartnerFiles off = read_partner_directory(folder.path, now);
  CHECK_FALSE(has_errors(off.findings));
  CHECK(told(off.findings).find("q.toml.off: warning: is not read") != std::string::npos);
  folder.write("R.TOML", rule);
  CHECK(told(read_partner_directory(folder.path, now).findings).find("R.TOML: error: is not read") !=
        std::string::npos);
  CHECK_FALSE(load_config(folder.write("c.toml", "hostname = \"a.test\"\n[policies]\n")).ok());
  CHECK_FALSE(
      load_config(folder.write("c.toml", "hostname = \"a.test\"\n[policies]\ndirectory = \"\"\n")).ok());
}

TEST_CASE("what was read is known by owner, digest and stamp, so that a later write shows") {
  const Folder folder;
  const std::string path = folder.write("p.toml", rule);
  const auto read = read_whole_file(path);
  REQUIRE(read);
  CHECK(read->text == rule);
  CHECK(read->source.owner == ::getuid());
  CHECK(read->source.sha256.size() == 64);
  CHECK(still_the_same({read->source}));
  folder.write("p.toml", rule + "# more\n");
  CHECK_FALSE(still_the_same({read->source}));
  std::filesystem::remove(path);
  CHECK_FALSE(still_the_same({read->source}));
}

TEST_CASE("a file without end is not read for ever") {
  const Folder folder;
  const std::string path = folder.write("p.toml", "");
  std::filesystem::resize_file(path, (16U << 20) + 1);
  const auto read = read_whole_file(path);
  REQUIRE_FALSE(read);
  CHECK(read.error().detail.find("longer than 16 MiB") != std::string::npos);
}
