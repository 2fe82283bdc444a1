// SPDX-License-Identifier: Apache-2.0
//
// xtext, the encoding of ENVID and ORCPT (RFC 3461 §4): "+" and two upper-case hex digits for what is not
// printable or is "+" or "=".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sealpost {

std::string to_xtext(std::string_view text);
// Nothing when it is no xtext, or decodes to anything but printable ASCII (T-23: "+0D+0A" must not get
// through).
std::optional<std::string> from_xtext(std::string_view xtext);

}  // namespace sealpost
