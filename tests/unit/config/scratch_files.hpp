// SPDX-License-Identifier: Apache-2.0
//
// Files in a directory of a test's own, gone with it.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace sealpost::app {

class Directory {
 public:
  Directory() {
    char name[] = "/tmp/sealpost-config-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name, const std::string& text, unsigned mode = 0600) const {
    const std::string path = path_ + "/" + name;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
    return path;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace sealpost::app
