// SPDX-License-Identifier: Apache-2.0
//
// The record at _smtp._tls (RFC 8460 §3): what is taken as a target is a plain address or a host and path, and means the
// same when it is published again. Records of one answer are separated by octet 0xfe.
#include <algorithm>
#include <cstdint>
#include <string>

#include "base/text.hpp"
#include "mail/address.hpp"
#include "require.hpp"
#include "tlsrpt/sending/discovery.hpp"

namespace {

using namespace sealpost;

bool is_plain(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

void check(const ReportTarget& target) {
  require(target.text.size() <= 512 && text::printable(target.text, 512) == target.text);
  if (target.kind == ReportTarget::Kind::mail) {
    require(is_plain(target.address) && parse_mailbox(target.address).has_value());
    return;
  }
  require(is_plain(target.host) && is_plain(target.path) && target.path.starts_with('/'));
  require(target.host.size() <= 253 && target.host.find_first_of(":@/") == std::string::npos);
  const auto again = parse_tls_rpt_records({"v=TLSRPTv1; rua=https://" + target.host + target.path});
  if (target.path.find_first_of(";,") != std::string::npos || target.path.size() > 3000) return;
  require(again.targets.size() == 1 && again.targets[0].host == target.host &&
          again.targets[0].path == target.path);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> texts;
  for (const auto part : text::split(input, '\xfe')) texts.emplace_back(part);
  const TlsRptRecordSet set = parse_tls_rpt_records(texts);
  require(set.targets.size() + set.passed_over.size() <= 20);
  require(set.kind == TlsRptRecordSet::Kind::valid || set.targets.empty());
  require((set.kind == TlsRptRecordSet::Kind::invalid) == !set.why.empty());
  for (const ReportTarget& target : set.targets) check(target);
  return 0;
}
