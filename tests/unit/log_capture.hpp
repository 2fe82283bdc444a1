// SPDX-License-Identifier: Apache-2.0
//
// What the log is told while this lives.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/handles.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace sealpost::test {

class Capture {
 public:
  Capture() : file_(std::tmpfile()) {
    log::configure(fileno(file_.get()), log::Format::text, log::Level::info);
  }
  ~Capture() { log::configure(STDERR_FILENO, log::Format::text, log::Level::info); }

  // Lines so far, without their time stamps.
  std::vector<std::string> lines() const {
    log::flush();
    std::string all(1 << 22, '\0');
    const ssize_t got = ::pread(fileno(file_.get()), all.data(), all.size(), 0);
    all.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    std::vector<std::string> found;
    for (const auto line : text::split(all, '\n'))
      if (!line.empty()) found.emplace_back(line.substr(line.find(' ') + 1));
    return found;
  }

 private:
  FilePtr file_;
};

}  // namespace sealpost::test
