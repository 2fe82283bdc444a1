// SPDX-License-Identifier: Apache-2.0
#include "app/materials.hpp"

#include <doctest.h>

#include <algorithm>
#include <filesystem>

#include "../config/scratch_files.hpp"
#include "keys/key_file.hpp"
#include "partner/load_config.hpp"

using namespace sealpost;
using namespace sealpost::app;

TEST_CASE("T-52 check also opens what the file names") {
  const Directory directory;
  const std::string junk = directory.file("junk.pem", "no certificate in here");
  const auto result = load_config(directory.file(
      "sealpost.toml", "hostname = \"a.test\"\ndata_dir = \"" + directory.path() + "/data\"\n" +
                           "[dns]\nservers = [\"127.0.0.1\"]\n" + "[tls]\ncertificate = \"" + junk +
                           "\"\nkey = \"" + junk + "\"\ntrust = \"" + junk + "\"\n"));
  CHECK(result.ok());
  const Findings found = check_materials(result.config, keys::FileSource());
  REQUIRE(found.size() == 2);
  CHECK(found[0].key == "tls.certificate");
  CHECK(found[1].key == "tls.trust");
}

TEST_CASE("T-52 check opens every certificate of [tls], and says of which it speaks") {
  const Directory directory;
  const std::string junk = directory.file("junk.pem", "no certificate in here");
  const std::string files = "certificate = \"" + junk + "\"\nkey = \"" + junk + "\"\n";
  const auto result = load_config(
      directory.file("sealpost.toml", "hostname = \"a.test\"\n[dns]\nservers = [\"127.0.0.1\"]\n[tls]\n" +
                                          files + "[[tls.also]]\n" + files + "[[tls.also]]\n" + files));
  CHECK(result.ok());
  Findings found = check_materials(result.config, keys::FileSource());
  found.erase(std::remove_if(found.begin(), found.end(),
                             [](const Finding& finding) { return !finding.key.starts_with("tls.a"); }),
              found.end());
  REQUIRE(found.size() == 2);
  CHECK(found[0].key == "tls.also.certificate");
  CHECK(found[0].line + 3 == found[1].line);
}

namespace {

// What is found of a configuration that is else in order: "error log.file", "warning user".
std::vector<std::string> found_of(const std::string& data_dir, const std::string& settings) {
  const Directory directory;
  const auto result = load_config(
      directory.file("sealpost.toml", "hostname = \"a.test\"\ndata_dir = \"" + data_dir + "\"\n" + settings));
  REQUIRE(result.ok());
  std::vector<std::string> found;
  for (const Finding& finding : check_materials(result.config, keys::FileSource()))
    if (finding.key != "tls.trust" && finding.key != "dns.servers")  // of the machine that tests
      found.push_back((finding.kind == Finding::Kind::error ? "error " : "warning ") + finding.key);
  return found;
}

}  // namespace

TEST_CASE("check finds places where a start could not write") {
  const Directory directory;
  using Found = std::vector<std::string>;
  const std::string dir = directory.path(), data = dir + "/data",
                    letter = directory.file("letter", "Dear Anna,\n");
  const auto log = [](const std::string& path) { return "[log]\nfile = \"" + path + "\"\n"; };
  CHECK(found_of(data, "") == Found{});
  CHECK(found_of(dir, log(directory.file("log", "2026-01-31T23:59:59Z info started\n"))) == Found{});
  CHECK(found_of(data, log(dir)) == Found{"error log.file"});
  CHECK(found_of(data, log(letter)) == Found{"error log.file"});
  CHECK(found_of(data, log(dir + "/none/log")) == Found{"error log.file"});
  std::filesystem::create_symlink(dir + "/elsewhere", dir + "/link");
  CHECK(found_of(data, log(dir + "/link")) == Found{"error log.file"});
  CHECK(found_of(letter, "[control]\nsocket = \"" + dir + "/c.sock\"\n") == Found{"error data_dir"});
  CHECK(found_of(dir + "/none/data", "") == Found{"error data_dir"});
  const auto socket = [&](const std::string& path) { return "[control]\nsocket = \"" + path + "\"\n"; };
  CHECK(found_of(data, socket(data + "/control.sock")) == Found{});
  CHECK(found_of(data, socket(dir + "/run/c.sock")) == Found{"warning control.socket"});
  CHECK(found_of(data, "user = \"root\"\n" + socket(dir + "/run/c.sock")) == Found{});  // the start makes it
  CHECK(found_of(data, "user = \"root\"\n" + socket(dir + "/run/deep/c.sock")) ==
        Found{"error control.socket"});
  CHECK(found_of(data, "user = \"nobody-of-that-name\"\n") == Found{"warning user"});
  CHECK(found_of(data, "[tls_rpt]\nsend = true\n") == Found{"warning tls_rpt.send"});
}
