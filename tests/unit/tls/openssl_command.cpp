// SPDX-License-Identifier: Apache-2.0
#include "openssl_command.hpp"

#include <doctest.h>
#include <stdlib.h>

#include <cstdio>
#include <fstream>
#include <vector>

namespace sealpost::test {

namespace {

// Files for the command, gone with the object.
class Files {
 public:
  Files() { REQUIRE(::mkdtemp(directory_.data()) != nullptr); }
  ~Files() {
    for (const std::string& file : files_) std::remove(file.c_str());
    std::remove(directory_.c_str());
  }
  std::string add(const std::string& name, const std::string& text) {
    files_.push_back(directory_ + "/" + name);
    std::ofstream(files_.back()) << text;
    return files_.back();
  }

 private:
  std::string directory_ = "/tmp/sealpost-verify-XXXXXX";
  std::vector<std::string> files_;
};

}  // namespace

bool have_openssl_command() { return std::system("openssl version >/dev/null 2>&1") == 0; }

CommandResult openssl_verify(const std::string& leaf, const std::string& others, const std::string& roots,
                             std::time_t at) {
  Files files;
  std::string command =
      "openssl verify -purpose sslserver -auth_level 2 -no-CAfile -no-CApath -no-CAstore -attime " +
      std::to_string(at) + " -CAfile " + files.add("roots", roots);
  if (!others.empty()) command += " -untrusted " + files.add("others", others);
  command += " " + files.add("leaf", leaf) + " 2>&1";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  CommandResult result;
  char piece[4096];
  while (const std::size_t got = std::fread(piece, 1, sizeof piece, pipe)) result.output.append(piece, got);
  result.ok = ::pclose(pipe) == 0;
  return result;
}

}  // namespace sealpost::test
