// SPDX-License-Identifier: Apache-2.0
//
// Exports of other mail systems: the first octet chooses which. Whatever they hold, a file comes out that reads back without an error and
// with the same demands, and nothing foreign is in it but inside quotes and comments (T-54).
#include <cstdint>
#include <set>
#include <string>

#include "importing/written.hpp"
#include "partner/partner_file.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealpost;
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto format =
      importing::all_formats[static_cast<unsigned char>(input[0]) % std::size(importing::all_formats)];
  importing::ImportOptions options;
  options.now = SystemTime(std::chrono::seconds(1'780'000'000));
  const auto made = importing::import_rules(format, input.substr(1), options);
  if (!made) {
    require(!made.error().detail.empty());
    return 0;
  }
  for (const importing::Remark& remark : made->all_remarks()) require(!remark.text.empty());
  const std::string text =
      importing::partner_file(*made, {format, "fuzz", std::string(64, '0'), options.now});
  if (made->rules.empty()) return 0;
  const auto read = app::read_partner_text(text, "fuzz.toml", options.now);
  require(!app::has_errors(read.findings) && read.weaker.empty());
  require(read.rules.size() == made->rules.size());
  std::set<std::string> domains;
  for (std::size_t i = 0; i < read.rules.size(); ++i) {
    require(read.rules[i].domains == made->rules[i].rule.domains &&
            read.rules[i].name == made->rules[i].rule.name);
    require(read.rules[i].level == made->rules[i].rule.level &&
            read.rules[i].pins == made->rules[i].rule.pins);
    require(app::meaning_hash(read.rules[i]) == app::meaning_hash(made->rules[i].rule));
    const bool has_dates = read.rules[i].starts || read.rules[i].ends;
    for (const std::string& domain : read.rules[i].domains)
      require(domains.insert(domain).second || has_dates);
  }
  return 0;
}
