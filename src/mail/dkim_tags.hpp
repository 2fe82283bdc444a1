// SPDX-License-Identifier: Apache-2.0
//
// "v=DKIM1; k=rsa; p=...": tag lists of DKIM-Signature fields and key records (RFC 6376 §3.2). Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/text.hpp"

namespace sealpost {

using DkimTags = std::map<std::string, std::string, std::less<>>;

// White space around names and values is folding; the first of a repeated name stays.
inline DkimTags dkim_tags(std::string_view list) {
  DkimTags tags;
  for (const std::string_view part : text::split(list, ';')) {
    const auto equals = part.find('=');
    if (equals == std::string_view::npos) continue;
    tags.emplace(std::string(text::trim(part.substr(0, equals), " \t\r\n")),
                 text::trim(part.substr(equals + 1), " \t\r\n"));
  }
  return tags;
}

}  // namespace sealpost
