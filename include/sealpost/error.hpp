// SPDX-License-Identifier: Apache-2.0
//
// Error: why something that may fail did not succeed. `code` is what callers branch on, `detail` is for people
// and never contains unescaped remote bytes. SMTP replies (4yz, 5yz) are not errors: they are values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace sealpost {

enum class Errc : std::uint8_t {
  invalid,      // input breaks its grammar or a bound; detail says what, where and what would be right
  not_found,    // the thing asked for does not exist
  exists,       // it exists already
  refused,      // connection refused, or a rule forbids the step
  unreachable,  // no route, no address allowed
  timed_out,    // the named limit passed
  closed,       // the peer closed where it must not
  io,           // read or write failed (reset, storage error)
  no_space,     // disk or quota full, or a bound of ours is reached
  tls,          // handshake or record layer failed; detail carries OpenSSL's reason
  protocol,     // the peer broke its protocol; the session has lost step
  too_long,     // a line, reply or body passed its cap
  unavailable,  // a service of ours cannot answer now
  damaged,      // stored data fails its own checks: what it held is lost or must come from elsewhere
  newer,        // made by a newer sealpost: leave it untouched (D-26)
};

std::string_view name_of(Errc code) noexcept;

class Error {
 public:
  Error(Errc code_, std::string detail_) : code(code_), detail(std::move(detail_)) {}
  Errc code;
  std::string detail;
  bool operator==(const Error&) const = default;
};

}  // namespace sealpost
