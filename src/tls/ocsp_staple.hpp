// SPDX-License-Identifier: Apache-2.0
//
// What an OCSP responder said of a certificate of ours (RFC 6960), to be shown with it to clients that ask (RFC 6066 §8). Read
// from a file that something else fetches: the relay asks no responder. Checked when it is read: that it is of this
// certificate, and signed by its issuer or for it, as far as the chain tells who that is.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/openssl_handles.hpp"
#include "sealpost/clock.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::tls {

class OcspStaple {
 public:
  // `chain`: of the certificate, without it. Its dates are not looked at. Details say what is wrong.
  static Expected<OcspStaple> parse(std::string_view der, const X509& leaf, STACK_OF(X509) & chain);
  // The same from a file; details name it.
  static Expected<OcspStaple> load(const std::string& path, const X509& leaf, STACK_OF(X509) & chain);

  enum class State : std::uint8_t { good, revoked, unknown };
  State state() const noexcept { return state_; }
  SystemTime begins() const noexcept { return begins_; }  // thisUpdate
  SystemTime ends() const noexcept { return ends_; }      // nextUpdate
  // May it be shown? One that is over, or not yet in force, makes clients refuse what they took without it.
  bool may_be_shown(SystemTime now) const noexcept {
    return state_ == State::good && begins_ <= now && now < ends_;
  }
  // A quarter of its time is left: whoever fetches it should have done so.
  bool ends_soon(SystemTime now) const noexcept { return ends_ - now < (ends_ - begins_) / 4; }
  const std::string& der() const noexcept { return der_; }

 private:
  OcspStaple() = default;

  std::string der_;
  State state_ = State::unknown;
  SystemTime begins_{}, ends_{};
};

// RFC 7633: clients refuse the certificate without a response (TLS feature status_request).
bool must_be_stapled(const X509& leaf) noexcept;

}  // namespace sealpost::tls
