// SPDX-License-Identifier: Apache-2.0
#include "rules/domain_name.hpp"

#include <algorithm>

#include "rules/sts_grammar.hpp"

namespace sealpost {
namespace {

using rules::is_alnum;
constexpr std::size_t label_cap = 63;

template <class Fits>
bool every_label(std::string_view name, Fits fits) noexcept {
  while (true) {
    const std::size_t dot = name.find('.');
    if (!fits(name.substr(0, dot))) return false;
    if (dot == name.npos) return true;
    name.remove_prefix(dot + 1);
  }
}

}  // namespace

bool is_domain_name(std::string_view text) noexcept {
  return is_lenient_domain_name(text) && every_label(text, [](std::string_view label) {
           return is_alnum(label.front()) && is_alnum(label.back()) && label.find('_') == label.npos;
         });
}

bool is_lenient_domain_name(std::string_view text) noexcept {
  return text.size() <= domain_name_cap && every_label(text, [](std::string_view label) {
           return !label.empty() && label.size() <= label_cap &&
                  std::all_of(label.begin(), label.end(),
                              [](char c) { return is_alnum(c) || c == '-' || c == '_'; });
         });
}

}  // namespace sealpost
