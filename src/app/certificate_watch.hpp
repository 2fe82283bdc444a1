// SPDX-License-Identifier: Apache-2.0
//
// CertificateWatch: what our listeners show must be good on every day of a long run, not only on that of its start. An end
// that has come, or comes soon, of any of the certificates is the trouble "listener certificate" while it lasts; a name that
// they lack stands in `status`. And what tickets are sealed with is replaced as often as it looks.
#pragma once

#include <functional>

#include <nlohmann/json.hpp>

#include "app/in_force.hpp"
#include "base/health.hpp"
#include "event/loop.hpp"
#include "event/task.hpp"

namespace sealpost::app {

class CertificateWatch {
 public:
  // On `loop`; `health` outlives it.
  CertificateWatch(event::Loop& loop, std::function<InForcePtr()> in_force, Health& health)
      : loop_(loop), in_force_(std::move(in_force)), health_(health) {}

  event::Task<void> run();        // for ever: at once, and then every hour
  void look();                    // once
  nlohmann::json status() const;  // for `status`: that with the worst fault, and `all`; null without STARTTLS

 private:
  event::Loop& loop_;
  std::function<InForcePtr()> in_force_;
  Health& health_;
};

}  // namespace sealpost::app
