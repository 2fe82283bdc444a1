// SPDX-License-Identifier: Apache-2.0
//
// What the pictures share.
#pragma once

#include <cstdio>
#include <string>

namespace sealpost::web {

// A coordinate or length of SVG, to a tenth of a pixel.
inline std::string at(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

}  // namespace sealpost::web
