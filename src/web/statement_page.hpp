// SPDX-License-Identifier: Apache-2.0
//
// The statement for a partner or domain as a page to be printed and sent (docs/ledger.md, Statements): A4, whole in itself, without
// script. The numbers are those of `evidence statement --json` (docs/json/answers.schema.json).
#pragma once

#include <string>

#include "web/page.hpp"

namespace sealpost::web {

struct StatementFrame {
  std::string host;     // of the relay that it is about; empty: not known
  std::string made_at;  // RFC 3339
  std::string verify;   // the command line that checks what it says
};

std::string statement_page(const Json& statement, const StatementFrame& frame);

}  // namespace sealpost::web
