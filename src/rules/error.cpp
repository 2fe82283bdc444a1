// SPDX-License-Identifier: Apache-2.0
#include "sealpost/error.hpp"

namespace sealpost {

std::string_view name_of(Errc code) noexcept {
  switch (code) {
    case Errc::invalid: return "invalid";
    case Errc::not_found: return "not-found";
    case Errc::exists: return "exists";
    case Errc::refused: return "refused";
    case Errc::unreachable: return "unreachable";
    case Errc::timed_out: return "timed-out";
    case Errc::closed: return "closed";
    case Errc::io: return "io";
    case Errc::no_space: return "no-space";
    case Errc::tls: return "tls";
    case Errc::protocol: return "protocol";
    case Errc::too_long: return "too-long";
    case Errc::unavailable: return "unavailable";
    case Errc::damaged: return "damaged";
    case Errc::newer: return "newer";
  }
  return "unknown";
}

}  // namespace sealpost
