// SPDX-License-Identifier: Apache-2.0
//
// The certificate usages of TLSA records that SMTP knows (RFC 6698 §2.1.1, RFC 7672 §3.1).
#pragma once

#include <cstdint>

namespace sealpost {

inline constexpr std::uint8_t dane_ta = 2, dane_ee = 3;

}  // namespace sealpost
