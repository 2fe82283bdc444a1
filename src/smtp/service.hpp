// SPDX-License-Identifier: Apache-2.0
//
// What a listener is for.
#pragma once

#include <cstdint>
#include <string_view>

namespace sealpost::smtp {

enum class Service : std::uint8_t {
  relay,        // whoever the handler trusts may send on; AUTH is neither offered nor taken (T-05)
  submission,   // after STARTTLS and AUTH, and nobody before (RFC 6409 §4.3)
  submissions,  // the same with TLS from the first octet (RFC 8314 §3.3)
};
std::string_view name_of(Service service) noexcept;  // as [[listener]] mode says it

}  // namespace sealpost::smtp
