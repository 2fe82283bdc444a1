// SPDX-License-Identifier: Apache-2.0
//
// Keeping former rules for some domains while everything else follows a new set. Pure.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "sealpost/partner.hpp"

namespace sealpost::rules {

// `after`, but each of these domains and patterns (written as in either set) is governed at every moment by what governed
// it in `before`, whole; and each name that either set spells out inside one of these patterns by what `after` has for it,
// since it is not held. The order counts: of two rules that name a domain in the same words find_partner() takes the first.
// A former rule keeps its name, so a name may stand twice. Where no rule governed, one that demands nothing is written.
std::vector<PartnerRule> hold_rules(const std::vector<PartnerRule>& before, std::vector<PartnerRule> after,
                                    const std::set<std::string>& domains);

// Is it the name of such a rule, which no file has?
bool stands_for_no_rule(const std::string& name) noexcept;

// A name that a pattern stands for and no rule names itself; a domain is its own example.
std::string example_of(const std::string& pattern);

}  // namespace sealpost::rules
