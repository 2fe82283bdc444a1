// SPDX-License-Identifier: Apache-2.0
#include "app/materials.hpp"

#include <doctest.h>

#include <algorithm>

#include "../config/scratch_files.hpp"
#include "keys/key_file.hpp"
#include "partner/load_config.hpp"

using namespace sealpost;
using namespace sealpost::app;

TEST_CASE("T-52 check also opens what the file names") {
  const Directory directory;
  const std::string junk = directory.file("junk.pem", "no certificate in here");
  const auto result = load_config(directory.file(
      "sealpost.toml", "hostname = \"a.test\"\ndata_dir = \"" + directory.file("data", "") + "\"\n" +
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
