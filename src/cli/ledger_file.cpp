// SPDX-License-Identifier: Apache-2.0
#include "cli/ledger_file.hpp"

#include <sys/stat.h>
#include <sysexits.h>

#include <cerrno>
#include <cstring>

#include "base/as_owner.hpp"
#include "cli/control_client.hpp"
#include "config/config.hpp"

namespace sealpost::cli {

int fail_reading(const CommandLine& line, const Error& error) {
  const int code = error.code == Errc::not_found ? EX_NOINPUT
                   : error.code == Errc::invalid ? EX_DATAERR
                   : error.code == Errc::damaged ? EX_DATAERR
                                                 : EX_TEMPFAIL;
  return line.fail({code, error.detail, ""});
}

std::string ledger_file(const CommandLine& line, const std::string& named) {
  return named.empty() ? line.data_dir() + "/ledger.db" : named;
}

int with_ledger(const CommandLine& line, const std::string& named,
                const std::function<int(ledger::Reader&)>& work) {
  const std::string path = ledger_file(line, named);
  struct stat owner {};
  if (::stat(path.c_str(), &owner) != 0)
    return line.fail(
        {EX_NOINPUT, path + ": " + std::strerror(errno), "name the file, or see [ledger] enabled"});
  const AsOwner eyes(owner);
  auto reader = ledger::Reader::open(path);
  if (!reader) return fail_reading(line, reader.error());
  return work(*reader);
}

std::string date_of(const std::string& text) {
  if (text.empty()) return text;
  if (const auto ago = parse_duration(text))
    return to_utc_day(std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()) - *ago);
  return text;
}

}  // namespace sealpost::cli
