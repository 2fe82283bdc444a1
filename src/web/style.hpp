// SPDX-License-Identifier: Apache-2.0
//
// The one style of all pages, and their icon. Light and dark as the visitor's system is, down to 360 px, in print.
#pragma once

#include <string_view>

namespace sealpost::web {

constexpr const char* style_path = "/style.css";
constexpr const char* icon_path = "/icon.svg";
std::string_view style_sheet() noexcept;
std::string_view icon() noexcept;

}  // namespace sealpost::web
