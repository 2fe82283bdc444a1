// SPDX-License-Identifier: Apache-2.0
//
// Policy texts are long and few, summaries short and many: each text is kept once.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tlsrpt/counting/store.hpp"

namespace sealpost::tlsrpt {

// For one transaction: remembers what it has seen.
class PolicyTexts {
 public:
  explicit PolicyTexts(Store& store) noexcept : store_(store) {}
  Expected<std::int64_t> id_of(const std::vector<std::string>& lines);

 private:
  Store& store_;
  StatementPtr find_, insert_;
  std::map<std::string, std::int64_t> known_;
};

}  // namespace sealpost::tlsrpt
