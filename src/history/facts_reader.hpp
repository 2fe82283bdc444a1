// SPDX-License-Identifier: Apache-2.0
//
// Facts as they are read back from evidence.db: believed when their digest holds (T-54), and decoded once as long as they are
// among the last that were asked for.
#pragma once

#include <memory>
#include <unordered_map>

#include "history/session.hpp"
#include "sqlite/database.hpp"

namespace sealpost::history {

class FactsReader {
 public:
  // Remembers up to `most` of them. `file` outlives it, and stays open meanwhile.
  static Expected<FactsReader> over(sqlite::Database& file, std::size_t most);
  // Null: there is no such row, or it is not to be believed. An error: it cannot be read.
  Expected<std::shared_ptr<const Facts>> of(std::int64_t id);

 private:
  FactsReader(sqlite::Statement row, std::size_t most) : row_(std::move(row)), most_(most) {}
  Expected<std::shared_ptr<const Facts>> read(std::int64_t id);

  sqlite::Statement row_;
  std::size_t most_;
  std::unordered_map<std::int64_t, std::shared_ptr<const Facts>> known_;
};

}  // namespace sealpost::history
