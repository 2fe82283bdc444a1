// SPDX-License-Identifier: Apache-2.0
#include "app/draft_rules.hpp"

#include "base/digest.hpp"
#include "partner/partner_file.hpp"

namespace sealpost::app {

admin::DraftRules read_draft(const std::string& text, const std::string& name, SystemTime now) {
  PartnerFiles files = read_partner_text(text, name, now);
  admin::DraftRules draft;
  draft.rules = std::move(files.rules);
  for (const Finding& finding : files.findings) draft.findings.push_back(finding.to_string());
  draft.ok = !has_errors(files.findings) && !draft.rules.empty();
  if (draft.rules.empty() && draft.findings.empty())
    draft.findings.push_back(name + ": holds no [[partner]]");
  draft.sha256 = sha256_hex(text);
  return draft;
}

}  // namespace sealpost::app
