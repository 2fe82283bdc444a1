// SPDX-License-Identifier: Apache-2.0
//
// MTA-STS record and policy (RFC 8461 §3.1, §3.2): what is accepted keeps to its grammar and says the same when written
// again. Records of one answer are separated by octet 0xfe.
#include <algorithm>
#include <cstdint>
#include <string>

#include "base/text.hpp"
#include "mail/address.hpp"
#include "require.hpp"
#include "sealpost/mta_sts.hpp"

namespace {

using namespace sealpost;

void check_records(std::string_view input) {
  std::vector<std::string> texts;
  for (const auto text : text::split(input, '\xfe')) texts.emplace_back(text);
  const StsRecordSet set = parse_sts_records(texts);
  require((set.kind == StsRecordSet::Kind::valid) == !set.record.id.empty());
  if (set.kind != StsRecordSet::Kind::valid) return;
  require(set.record.id.size() <= 32);
  const auto again = parse_sts_records({"v=spf1 -all", "v=STSv1; id=" + set.record.id + ";"});
  require(again.kind == StsRecordSet::Kind::valid && again.record.id == set.record.id);
  texts.push_back(*std::find_if(texts.begin(), texts.end(),
                                [](const auto& text) { return text.starts_with("v=STSv1"); }));
  (void)parse_sts_records(texts);
}

void check_policy(std::string_view input) {
  const auto policy = parse_sts_policy(input);
  if (!policy) {
    require(policy.error().code == Errc::invalid && policy.error().detail.find(": ") != std::string::npos);
    return;
  }
  require(policy->max_age.count() >= 0 && policy->max_age.count() <= 31557600);
  require(policy->mode == StsMode::none || !policy->mx.empty());
  std::string written = "version: STSv1\nmode: " + std::string(name_of(policy->mode)) +
                        "\nmax_age: " + std::to_string(policy->max_age.count()) + "\n";
  for (const std::string& mx : policy->mx) {
    written += "mx: " + mx + "\n";
    const std::string host = mx.starts_with("*.") ? "x" + mx.substr(1) : mx;
    require(mx_matches(mx, host) && !mx_matches(mx, "y." + host));
  }
  if (written.size() > sts_body_cap) return;
  const auto again = parse_sts_policy(written);
  require(again && again->mode == policy->mode && again->max_age == policy->max_age &&
          again->mx == policy->mx);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  check_records(input);
  check_policy(input);
  return 0;
}
