// SPDX-License-Identifier: Apache-2.0
#include "cli/accounts_file.hpp"

#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>

#include "app/host.hpp"
#include "app/restore.hpp"
#include "base/as_owner.hpp"
#include "base/log.hpp"
#include "base/words.hpp"
#include "cli/control_client.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "partner/load_config.hpp"

namespace sealpost::cli {
namespace {

int exit_code_of(Errc code) {
  switch (code) {
    case Errc::invalid:
    case Errc::too_long: return EX_DATAERR;
    case Errc::not_found:
    case Errc::closed: return EX_NOINPUT;
    case Errc::exists: return EX_CANTCREAT;
    case Errc::refused: return EX_NOPERM;
    case Errc::unavailable:
    case Errc::no_space: return EX_TEMPFAIL;
    default: return EX_IOERR;
  }
}

// Whose directory it is. One that is not there is made where that needs nobody else's rights.
Expected<struct stat> owner_of(const app::Config& config) {
  struct stat status {};
  const std::string& path = config.data_dir;
  if (::stat(path.c_str(), &status) != 0 && errno == ENOENT && (::geteuid() != 0 || config.user.empty())) {
    if (auto made = app::make_private_directory(path); !made) return made.error();
  }
  if (::stat(path.c_str(), &status) != 0)
    return Error(errno == ENOENT ? Errc::not_found : Errc::io,
                 "data_dir " + path + ": " + std::strerror(errno) +
                     (errno == ENOENT ? "; start the relay once, which makes it for its user" : ""));
  if (::geteuid() != 0 && ::geteuid() != status.st_uid)
    return Error(Errc::refused, "data_dir " + path + " belongs to another user; be that user, or root");
  return status;
}

}  // namespace

int fail_with_accounts(const CommandLine& line, const Error& error, const std::string& remedy) {
  return line.fail({exit_code_of(error.code), error.detail, remedy});
}

int with_accounts(const CommandLine& line, const std::function<int(auth::UserStore&)>& work) {
  const app::LoadResult loaded = app::load_config(line.config_file());
  if (!loaded.ok()) {  // the data directory may be another than meant
    for (const app::Finding& finding : loaded.findings)
      if (finding.kind == app::Finding::Kind::error)
        std::cerr << folded(finding.to_string(), "", terminal_width(STDERR_FILENO));
    return line.fail({EX_CONFIG, "the configuration cannot be used, and nothing was done",
                      "'sealpost check' says what is wrong with it"});
  }
  const auto owner = owner_of(loaded.config);
  if (!owner) return fail_with_accounts(line, owner.error());
  log::configure(-1, log::Format::text, log::Level::error);  // the same is said below
  ::umask(0077);
  const AsOwner rights(*owner);
  const auto held = app::hold_data_dir(loaded.config.data_dir, std::chrono::seconds(1));
  if (!held) return fail_with_accounts(line, held.error());
  auth::UserStore store(loaded.config.data_dir, auth::Access::write);
  if (auto opened = store.open(); !opened) {
    const bool damaged = opened.error().code == Errc::damaged;
    return fail_with_accounts(
        line, opened.error(),
        damaged ? "put a good copy of users.db in its place, from a backup; it was left untouched" : "");
  }
  return work(store);
}

int fail_for_account(const CommandLine& line, auth::UserStore& store, const std::string& name,
                     const Error& error) {
  std::string remedy;
  if (error.code == Errc::not_found) {
    if (const auto users = store.list()) {
      std::vector<std::string_view> names;
      for (const auth::User& user : *users) names.push_back(user.name);
      if (const auto meant = text::nearest(name, names); !meant.empty())
        remedy = "did you mean " + std::string(meant) + "?";
    }
  }
  return fail_with_accounts(line, error, remedy);
}

}  // namespace sealpost::cli
