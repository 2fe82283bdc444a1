// SPDX-License-Identifier: Apache-2.0
#include "dns/dnssec_watch.hpp"

#include <utility>

#include "base/log.hpp"

namespace sealpost::dns {

namespace {

DnssecState first_state(bool ad_trusted, const DnssecProbe& probe) noexcept {
  if (!ad_trusted) return DnssecState::untrusted;
  return probe.signed_name.empty() && probe.broken_name.empty() ? DnssecState::assumed
                                                                : DnssecState::untested;
}

}  // namespace

std::string_view name_of(DnssecState state) noexcept {
  switch (state) {
    case DnssecState::untrusted: return "untrusted";
    case DnssecState::assumed: return "assumed";
    case DnssecState::untested: return "untested";
    case DnssecState::no_ad: return "no-ad";
    case DnssecState::lying: return "lying";
    case DnssecState::proven: return "proven";
    case DnssecState::lost: return "lost";
  }
  return "?";
}

DaneMode dane_mode(DnssecState state) noexcept {
  switch (state) {
    case DnssecState::untrusted:
    case DnssecState::no_ad:
    case DnssecState::lying: return DaneMode::off;
    case DnssecState::assumed:
    case DnssecState::proven: return DaneMode::on;
    case DnssecState::untested:
    case DnssecState::lost: return DaneMode::defer;
  }
  return DaneMode::defer;
}

DnssecWatch::DnssecWatch(Resolver& resolver, bool ad_trusted, DnssecProbe probe)
    : resolver_(resolver), probe_(std::move(probe)), state_(first_state(ad_trusted, probe_)) {
  switch (state()) {
    case DnssecState::untrusted:
      why_ = "a DNS server is not on loopback, and [dns] trust_ad does not say otherwise";
      break;
    case DnssecState::assumed:
      why_ = "[dns] signed_name and broken_name are not set, so it cannot be tested";
      break;
    default: why_ = "not tested yet";
  }
}

std::string DnssecWatch::explanation() const {
  const std::lock_guard lock(mutex_);
  return why_;
}

bool DnssecWatch::was_proven() const noexcept {
  return state() == DnssecState::proven || state() == DnssecState::lost;
}

event::Task<void> DnssecWatch::test() {
  if (state() == DnssecState::untrusted || state() == DnssecState::assumed) {
    if (!std::exchange(told_, true)) tell(state(), DnssecState::untested, why_);
    co_return;
  }
  if (!probe_.signed_name.empty()) {
    const auto answer = co_await resolver_.query_fresh(probe_.signed_name, RrType::a);
    if (answer->status == Status::failed) {
      // Nothing learned. What was off stays off: mail is flowing and has been warned about.
      if (dane_mode(state()) == DaneMode::off) co_return;
      set(was_proven() ? DnssecState::lost : DnssecState::untested,
          "lookup of the signed name " + probe_.signed_name + " failed: " + answer->why);
      co_return;
    }
    if (answer->dnssec != Dnssec::secure) {
      set(was_proven() ? DnssecState::lost : DnssecState::no_ad,
          "the signed name " + probe_.signed_name + " came without the AD bit");
      co_return;
    }
  }
  if (!probe_.broken_name.empty()) {
    const auto answer = co_await resolver_.query_fresh(probe_.broken_name, RrType::a);
    if (answer->status != Status::failed) {
      set(was_proven() ? DnssecState::lost : DnssecState::lying,
          "the broken name " + probe_.broken_name + " was answered: the resolver does not validate");
      co_return;
    }
  }
  set(DnssecState::proven, "the resolver validates");
}

void DnssecWatch::set(DnssecState state, std::string why) {
  const DnssecState before = state_.exchange(state, std::memory_order_acq_rel);
  {
    const std::lock_guard lock(mutex_);
    why_ = why;
  }
  if (before != state) tell(state, before, why);
}

void DnssecWatch::tell(DnssecState state, DnssecState before, const std::string& why) const {
  const DaneMode mode = dane_mode(state);
  const std::string_view effect = mode == DaneMode::on    ? "DANE is on"
                                  : mode == DaneMode::off ? "DANE is OFF: mail goes out without it"
                                                          : "mail is deferred until it is known";
  const log::Level level = state == DnssecState::assumed ? log::Level::warning
                           : mode == DaneMode::on        ? log::Level::info
                                                         : log::Level::error;
  log::write(level, "dnssec",
             {{"state", name_of(state)}, {"before", name_of(before)}, {"why", why}, {"effect", effect}});
}

}  // namespace sealpost::dns
