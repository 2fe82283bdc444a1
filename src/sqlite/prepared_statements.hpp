// SPDX-License-Identifier: Apache-2.0
//
// Statements that a store runs again and again, each prepared once.
#pragma once

#include <unordered_map>
#include <utility>

#include "sqlite/database.hpp"

namespace sealpost::sqlite {

class PreparedStatements {
 public:
  // `file` is always the same; `sql` is a literal, known by its address. Ready to be bound; valid until forget().
  Expected<Statement*> get(Database& file, const char* sql) {
    auto at = known_.find(sql);
    if (at == known_.end()) {
      auto made = file.statement(sql);
      if (!made) return made.error();
      at = known_.emplace(sql, std::move(*made)).first;
    }
    at->second.reset();
    return &at->second;
  }
  // After a failure, and when the file was opened again.
  void forget() noexcept { known_.clear(); }

 private:
  std::unordered_map<const char*, Statement> known_;
};

}  // namespace sealpost::sqlite
