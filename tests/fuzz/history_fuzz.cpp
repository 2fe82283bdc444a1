// SPDX-License-Identifier: Apache-2.0
//
// Rows of evidence.db as read back from disk: refused, or they say the same when written again, and a rule can
// be held against them.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "history/facts_codec.hpp"
#include "history/replay.hpp"

namespace {

using namespace sealpost;
using namespace sealpost::history;

void check_certificate(std::string_view text) {
  const auto certificate = decode_certificate(text);
  if (!certificate) return;
  const std::string written = encode(*certificate);
  if (written.size() > most_text) return;  // escapes make it longer
  const auto again = decode_certificate(written);
  if (!again || encode(*again) != written) std::abort();
}

void check_facts(std::string_view text) {
  const auto facts = decode_facts(text, nullptr);
  if (!facts) return;
  const std::string written = encode(*facts);
  if (written.size() > most_text) return;
  const auto again = decode_facts(written, nullptr);
  if (!again || encode(*again) != written) std::abort();

  Recorded recorded;
  recorded.recipient_domain = recorded.policy_domain = "b.example";
  recorded.mx_host = "mx.b.example";
  recorded.facts = std::make_shared<const Facts>(*facts);
  recorded.handshakes = 1;
  PartnerRule rule;
  rule.name = "B";
  rule.domains = {"b.example"};
  rule.level = PartnerLevel::verify;
  // No certificate was shown, so nothing may be taken for verified.
  if (assess_rule(recorded, rule, Terms()).result == Result::pass) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  check_certificate(input);
  check_facts(input);
  return 0;
}
