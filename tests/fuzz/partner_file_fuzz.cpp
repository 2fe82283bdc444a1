// SPDX-License-Identifier: Apache-2.0
//
// Partner files: nothing written brings the reader down, every error has a place, and rules without errors are complete.
#include <cstdint>
#include <string>

#include "partner/partner_file.hpp"
#include "require.hpp"

namespace {

using namespace sealpost;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const SystemTime now(std::chrono::seconds(1'780'000'000));
  const auto files = app::read_partner_text(input, "fuzz.toml", now);
  for (const auto& finding : files.findings) require(finding.file == "fuzz.toml" && !finding.message.empty());
  if (app::has_errors(files.findings)) return 0;
  for (const PartnerRule& rule : files.rules) {
    require(!rule.name.empty() && !rule.domains.empty() && rule.hash == app::meaning_hash(rule));
    require(rule.level != PartnerLevel::pin || !rule.pins.empty());
    require(rule.names != PartnerRule::Names::literal || !rule.literal_names.empty());
    for (const std::string& pin : rule.pins) require(pin.size() == 64);
    for (const std::string& domain : rule.domains) {
      const std::string host = domain.starts_with("*.") ? "x" + domain.substr(1) : domain;
      require(find_partner(files.rules, host, now) != nullptr || rule.starts || rule.ends);
    }
  }
  return 0;
}
