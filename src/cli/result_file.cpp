// SPDX-License-Identifier: Apache-2.0
#include "cli/result_file.hpp"

#include <sys/stat.h>

#include "base/durable_file.hpp"

namespace sealpost::cli {

Expected<void> write_result(const std::string& path, const std::string& octets) {
  auto file = FileReplacement::begin(path);
  if (!file) return file.error();
  if (const auto written = file->write(octets); !written) return written.error();
  const auto done = file->commit();
  if (!done) return done.error();
  if (::fchmod(done->get(), 0644) != 0) return file_error(path, "its rights");
  return {};
}

}  // namespace sealpost::cli
