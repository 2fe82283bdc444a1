// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/counting/store_texts.hpp"

namespace sealpost::tlsrpt {

Expected<std::int64_t> PolicyTexts::id_of(const std::vector<std::string>& lines) {
  if (!insert_) {
    auto find = store_.statement("SELECT id FROM policy_text WHERE text=?1");
    if (!find) return find.error();
    auto insert = store_.statement("INSERT INTO policy_text(text) VALUES(?1) RETURNING id");
    if (!insert) return insert.error();
    find_ = std::move(*find);
    insert_ = std::move(*insert);
  }
  std::string text = to_array(lines);
  if (const auto known = known_.find(text); known != known_.end()) return known->second;
  for (const StatementPtr& statement : {std::cref(find_), std::cref(insert_)}) {
    const Use use(statement);
    bind_text(statement.get(), 1, text);
    const int step = sqlite3_step(statement.get());
    if (step == SQLITE_DONE) continue;
    if (step != SQLITE_ROW) break;
    const std::int64_t id = sqlite3_column_int64(statement.get(), 0);
    known_.emplace(std::move(text), id);
    return id;
  }
  return store_.failure("policy text");
}

}  // namespace sealpost::tlsrpt
