// SPDX-License-Identifier: Apache-2.0
//
// An SPF record (RFC 7208 §4.6, §12): what is taken means the same when it is written again, and what is refused is named in
// words that hold nothing of the record unescaped.
#include <algorithm>
#include <cstdint>
#include <string>

#include "base/text.hpp"
#include "publishing/spf.hpp"
#include "require.hpp"

namespace {

using namespace sealpost;
using publishing::SpfTerm;

std::string written(const SpfTerm& term) {
  if (term.modifier) return term.name + "=" + term.value;
  std::string text =
      std::string(1, term.qualifier) + term.name + (term.value.empty() ? "" : ":" + term.value);
  if (term.name == "ip4") return text + "/" + std::to_string(term.v4_bits);
  if (term.name == "ip6") return text + "/" + std::to_string(term.v6_bits);
  if (term.name == "a" || term.name == "mx")
    text += "/" + std::to_string(term.v4_bits) + "//" + std::to_string(term.v6_bits);
  return text;
}

bool same(const SpfTerm& one, const SpfTerm& other) {
  return one.modifier == other.modifier && one.name == other.name && one.value == other.value &&
         one.qualifier == other.qualifier && one.v4_bits == other.v4_bits && one.v6_bits == other.v6_bits;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string record(reinterpret_cast<const char*>(data), size);
  for (const std::string& ours : publishing::spf_records({record})) {
    const auto terms = publishing::parse_spf(ours);
    if (!terms) {
      require(text::printable(terms.error().detail, 1000) == terms.error().detail);
      continue;
    }
    std::string again = "v=spf1";
    for (const SpfTerm& term : *terms) {
      require(term.v4_bits <= 32 && term.v6_bits <= 128);
      again += " " + written(term);
    }
    const auto twice = publishing::parse_spf(again);
    require(twice.has_value() && twice->size() == terms->size());
    require(std::equal(terms->begin(), terms->end(), twice->begin(), same));
  }
  return 0;
}
