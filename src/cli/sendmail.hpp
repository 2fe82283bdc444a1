// SPDX-License-Identifier: Apache-2.0
//
// sealpost sendmail, and what this program is when it is called sendmail, mailq or newaliases.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace sealpost::cli {

// `words`: the program's name and its arguments. The exit code, or nothing when this is no such call, or one that another command
// answers: then `words` are that command.
std::optional<int> run_as_sendmail(std::vector<std::string>& words);

}  // namespace sealpost::cli
