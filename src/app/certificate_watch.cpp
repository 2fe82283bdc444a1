// SPDX-License-Identifier: Apache-2.0
#include "app/certificate_watch.hpp"

#include <tuple>

#include "event/wait.hpp"
#include "tls/server_certificates.hpp"

namespace sealpost::app {
namespace {

using namespace std::chrono_literals;
constexpr auto certificates_every = 1h;
constexpr std::string_view certificate_cause = "listener certificate";

std::vector<std::optional<tls::Objection>> objections_of(const InForce& now, SystemTime date) {
  return now.certificates->objections(now.config.hostname, date, now.config.alerts.settings.certificate);
}

bool is_of_date(const std::optional<tls::Objection>& objection) {
  return objection && (objection->kind == tls::Objection::Kind::refused ||
                       objection->kind == tls::Objection::Kind::ends_soon ||
                       objection->kind == tls::Objection::Kind::staple);
}

// For `status`: "soon" is good today.
const char* fault_of(const std::optional<tls::Objection>& objection) {
  if (!objection) return "";
  switch (objection->kind) {
    case tls::Objection::Kind::name: return "name";
    case tls::Objection::Kind::staple: return "staple";
    case tls::Objection::Kind::unused: return "unused";
    case tls::Objection::Kind::ends_soon: return "soon";
    case tls::Objection::Kind::refused: break;
  }
  return "date";
}

nlohmann::json described(const InForce& now, std::size_t place,
                         const std::optional<tls::Objection>& objection) {
  const tls::ServerIdentity& identity = *now.certificates->all()[place];
  return {{"file", now.config.certificates[place].certificate},
          {"names", identity.names()},
          {"expires", to_rfc3339(identity.expires())},
          {"staple", identity.staple() ? nlohmann::json(to_rfc3339(identity.staple()->ends())) : nullptr},
          {"state", objection ? objection->what : "ok"},
          {"fault", fault_of(objection)},
          {"remedy", objection ? objection->remedy : ""}};
}

}  // namespace

event::Task<void> CertificateWatch::run() {
  for (;;) {
    look();
    co_await event::sleep_for(loop_, certificates_every);
    if (const InForcePtr now = in_force_(); now->certificates) now->certificates->tickets().rotate();
  }
}

void CertificateWatch::look() {
  const InForcePtr now = in_force_();
  if (!now->certificates) return health_.clear(certificate_cause);
  const auto against = objections_of(*now, loop_.date());
  std::string what, remedy;
  for (std::size_t i = 0; i < against.size(); ++i) {
    if (!is_of_date(against[i])) continue;
    what +=
        (what.empty() ? "" : "; ") + now->config.certificates[i].certificate + " " + against[i]->what +
        (against[i]->kind == tls::Objection::Kind::refused ? ": clients that verify us send us nothing" : "");
    if (remedy.empty()) remedy = against[i]->remedy;
  }
  if (what.empty()) return health_.clear(certificate_cause);
  health_.raise(certificate_cause, std::move(what), std::move(remedy));
}

nlohmann::json CertificateWatch::status() const {
  const InForcePtr now = in_force_();
  if (!now->certificates) return {};
  const auto against = objections_of(*now, loop_.date());
  const auto& all = now->certificates->all();
  nlohmann::json list = nlohmann::json::array();
  std::size_t worst = 0;
  const auto rank = [&](std::size_t i) {  // no objection is the best
    return std::tuple(against[i] ? static_cast<int>(against[i]->kind) : 99, all[i]->expires());
  };
  for (std::size_t i = 0; i < all.size(); ++i) {
    list.push_back(described(*now, i, against[i]));
    if (rank(i) < rank(worst)) worst = i;
  }
  nlohmann::json body = list[worst];
  body["all"] = std::move(list);
  return body;
}

}  // namespace sealpost::app
