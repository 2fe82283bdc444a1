// SPDX-License-Identifier: Apache-2.0
#include "app/certificate_watch.hpp"

#include "event/wait.hpp"
#include "tls/server_identity.hpp"

namespace sealpost::app {
namespace {

using namespace std::chrono_literals;
constexpr auto certificates_every = 1h;
using Kind = tls::ServerIdentity::Objection::Kind;
constexpr std::string_view cause = "listener certificate";

std::optional<tls::ServerIdentity::Objection> objection_of(const InForce& now, SystemTime date) {
  if (!now.identity) return std::nullopt;
  return now.identity->objection(now.config.hostname, date, now.config.alerts.settings.certificate);
}

// For `status`: "soon" is good today.
const char* fault_of(const std::optional<tls::ServerIdentity::Objection>& objection) {
  if (!objection) return "";
  switch (objection->kind) {
    case Kind::name: return "name";
    case Kind::ends_soon: return "soon";
    case Kind::refused: break;
  }
  return "date";
}

}  // namespace

event::Task<void> CertificateWatch::run() {
  for (;;) {
    look();
    co_await event::sleep_for(loop_, certificates_every);
  }
}

void CertificateWatch::look() {
  const InForcePtr now = in_force_();
  const auto objection = objection_of(*now, loop_.date());
  if (!objection || objection->kind == Kind::name) return health_.clear(cause);
  health_.raise(cause,
                now->config.certificate + " " + objection->what +
                    (objection->kind == Kind::refused ? ": clients that verify us send us nothing" : ""),
                objection->remedy);
}

nlohmann::json CertificateWatch::status() const {
  const InForcePtr now = in_force_();
  if (!now->identity) return {};
  const auto objection = objection_of(*now, loop_.date());
  return {{"file", now->config.certificate},
          {"expires", to_rfc3339(now->identity->expires())},
          {"state", objection ? objection->what : "ok"},
          {"fault", fault_of(objection)},
          {"remedy", objection ? objection->remedy : ""}};
}

}  // namespace sealpost::app
