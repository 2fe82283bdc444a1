// SPDX-License-Identifier: Apache-2.0
//
// What the commands for accounts and for their tokens have in common: users.db, opened with the rights of whom the data directory
// belongs to, and what is said when something is wrong with it.
#pragma once

#include <functional>
#include <string>

#include "auth/user_store.hpp"
#include "cli/command_line.hpp"

namespace sealpost::cli {

// The exit code is that of `work`, or of what kept it from being done.
int with_accounts(const CommandLine& line, const std::function<int(auth::UserStore&)>& work);
int fail_with_accounts(const CommandLine& line, const Error& error, const std::string& remedy = {});
// "not found", and who was probably meant.
int fail_for_account(const CommandLine& line, auth::UserStore& store, const std::string& name,
                     const Error& error);

}  // namespace sealpost::cli
