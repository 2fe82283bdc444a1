// SPDX-License-Identifier: Apache-2.0
//
// The exchanges of each mechanism, over the accounts.
#pragma once

#include <memory>
#include <string_view>

#include "auth/accounts.hpp"

namespace sealpost::auth {

// `mechanism` is one of Accounts::mechanisms(channel).
std::unique_ptr<Exchange> make_exchange(Accounts& accounts, event::Loop& loop, std::string_view mechanism,
                                        const Channel& channel);

}  // namespace sealpost::auth
