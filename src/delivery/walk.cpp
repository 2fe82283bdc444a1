// SPDX-License-Identifier: Apache-2.0
#include "delivery/walk.hpp"

#include <utility>

namespace sealpost::delivery {
namespace {

// RFC 8689 §4.2.1: of two reasons not to send, that somebody had TLS and only lacked the extension says more.
constexpr std::string_view requiretls_not_offered = "5.7.30";

}  // namespace

void Walk::next_host() noexcept {
  end_host();
  in_host_ = true;
  ++hosts_;
}

// Of a host with several addresses one may be out of our reach for reasons of our own (no IPv6): what another one
// answers stands for the host.
void Walk::end_host() noexcept {
  if (std::exchange(in_host_, false)) {
    if (for_good_ && !for_now_) ++final_hosts_;
    if (oversize_) ++too_big_hosts_;
  }
  for_good_ = for_now_ = oversize_ = false;
}

bool Walk::take_endpoint() noexcept {
  if (endpoints_ >= most_endpoints) {
    stopped_early_ = true;
    return false;
  }
  ++endpoints_;
  return true;
}

void Walk::failed(Refusal refusal) {
  if (refusal.permanent()) {
    for_good_ = true;
    final_ = std::move(refusal);
  } else {
    for_now_ = true;
    passing_ = std::move(refusal);
  }
}

void Walk::unreachable(Refusal refusal) { passing_ = std::move(refusal); }

void Walk::refused_by_policy(Refusal refusal) {
  (refusal.permanent() ? for_good_ : for_now_) = true;
  refusal.by_policy = true;
  if (!policy_ || (refusal.status == requiretls_not_offered && policy_->permanent()))
    policy_ = std::move(refusal);
}

void Walk::absent(Refusal refusal) {
  absent_ = absent_ || refusal.permanent();
  failed(std::move(refusal));
}

void Walk::too_big(std::uint64_t limit, const std::string& host) {
  oversize_ = true;
  failed(Refusal("5.3.4", host + " takes at most " + std::to_string(limit) + " octets"));
}

void Walk::no_place(const std::string& host, std::uint16_t preference, std::optional<std::uint32_t> limit) {
  no_place_ = true;
  if (!busy_) busy_ = preference;
  failed(Refusal("4.4.5", "no free connection to " + host +
                              (limit ? ", which takes " + std::to_string(*limit) + " at once" : "")));
}

Refusal Walk::conclude(const std::string& domain) {
  end_host();
  if (hosts_ == 0) return Refusal("5.4.6", "mail for " + domain + " loops back to this relay");
  const bool final = final_hosts_ == hosts_ && !stopped_early_;
  Refusal refusal = policy_           ? *policy_
                    : final && final_ ? *final_
                    : passing_        ? *passing_
                    : final_          ? *final_
                                      : Refusal("4.4.1", "no host could be reached");
  if (final && !policy_ && too_big_hosts_ > 0)
    refusal = Refusal("5.3.4", "message of " + std::to_string(size_) +
                                   " octets is too big for every host of " + domain + " that takes mail");
  if (!final && refusal.permanent()) refusal.status.front() = '4';
  if (too_big_hosts_ > 0) refusal.scope = Refusal::Scope::message;  // a smaller one may well be taken
  refusal.no_place = no_place_ && !policy_;
  return refusal;
}

}  // namespace sealpost::delivery
