// SPDX-License-Identifier: Apache-2.0
#include "partner/load_config.hpp"

#include "partner/partner_file.hpp"

namespace sealpost::app {

LoadResult load_config(const std::string& path) {
  LoadResult result = read_config(path);
  if (!result.config.policy_directory.empty()) {
    const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    PartnerFiles partners = read_partner_directory(result.config.policy_directory, now);
    Config& config = result.config;
    config.partners = std::move(partners.rules);
    config.weaker.insert(config.weaker.end(), partners.weaker.begin(), partners.weaker.end());
    config.sources.insert(config.sources.end(), partners.sources.begin(), partners.sources.end());
    result.findings.insert(result.findings.end(), partners.findings.begin(), partners.findings.end());
  }
  return result;
}

}  // namespace sealpost::app
