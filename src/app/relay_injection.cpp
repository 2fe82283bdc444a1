// SPDX-License-Identifier: Apache-2.0
//
// `injection.http` in the relay's life: the endpoint is there before recovered mail goes to the queue, takes requests once the
// listeners do, and is gone before the parts that it hands mail to.
#include "app/intake_setup.hpp"
#include "app/relay.hpp"
#include "base/log.hpp"

namespace sealpost::app {
namespace {

using namespace std::chrono_literals;
constexpr auto looked_every = 20ms;

// As a listener for submission would have it: whoever sends has an account.
ListenerConfig as_listener(const Endpoint& at) {
  ListenerConfig listener;
  listener.address = at;
  listener.mode = smtp::Service::submission;
  listener.smtputf8 = true;
  return listener;
}

// Made anew after a reload; on the endpoint's thread.
class InjectionSettings {
 public:
  InjectionSettings(const Published<InForce>& in_force, const Endpoint& at, auth::Authenticator& accounts)
      : in_force_(&in_force), at_(at), accounts_(&accounts) {}
  intake::SettingsPtr operator()() {
    const InForcePtr now = in_force_->get();
    if (now != of_) {
      made_ = intake_settings(now->config, as_listener(at_), nullptr, now->dkim.relayed, accounts_);
      of_ = now;
    }
    return made_;
  }

 private:
  const Published<InForce>* in_force_;
  Endpoint at_;
  auth::Authenticator* accounts_;
  InForcePtr of_;
  intake::SettingsPtr made_;
};

}  // namespace

void Relay::begin_injection(const std::vector<spool::StoredMessagePtr>& recovered) {
  if (!injection_socket_) return;
  injection_loop_ = std::make_unique<event::EventLoop>();
  injection_loop_->ask_clock(&clock_->clock());
  HttpTls::Certificates certificates;
  if (!config_.injection.http->address.is_loopback())
    certificates = [this] { return in_force_.get()->certificates; };
  injection_ = std::make_unique<InjectionEndpoint>(
      *injection_loop_, *authenticator_, intake_services(),
      InjectionSettings(in_force_, *config_.injection.http, *authenticator_), config_.data_dir, &health_,
      config_.limits.message_size, std::move(certificates));
  injection_->recall(recovered);
}

void Relay::open_injection() {
  if (!injection_ || stopping_) return;
  const std::string address = config_.injection.http->to_string();
  if (const auto listening = injection_->listen(std::move(injection_socket_)); !listening) {
    log::error("listener_failed", {{"address", address}, {"why", listening.error().detail}});
    health_.raise("listening on " + address, "mail by HTTP is not taken there: " + listening.error().detail,
                  "free descriptors or memory, then restart the relay");
    return;
  }
  injection_->start();
  const bool tls = !config_.injection.http->address.is_loopback();
  log::info("listening", {{"address", address}, {"mode", "injection"}, {"tls", tls ? "required" : "off"}});
}

// Whose message is being stored hears of it.
event::Task<void> Relay::injection_ends() {
  const SteadyTime until = event::deadline(main_.now(), config_.shutdown_grace);
  while (injection_ && injection_->busy() && main_.now() < until && !hurried_)
    co_await event::sleep_for(main_, looked_every);
}

// All are there while it is off.
void Relay::list_injection() {
  const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
  const auto of_requests = [this, number](auto member) {
    return
        [this, number, member] { return number(injection_ ? (injection_->counters().*member).load() : 0); };
  };
  const auto of_connections = [this, number](auto member) {
    return [this, number, member] {
      return number(injection_ ? (injection_->connections().*member).load() : 0);
    };
  };
  using Requests = InjectionEndpoint::Counters;
  using Connections = admin::HttpServer::Counters;
  registry_.counter("sealpost_injection_taken_total", "Messages taken by injection.http.", "injection.taken",
                    of_requests(&Requests::taken));
  registry_.counter("sealpost_injection_repeated_total",
                    "Requests there for a message that had been taken, by their Idempotency-Key.",
                    "injection.repeated", of_requests(&Requests::repeated));
  registry_.counter("sealpost_injection_refused_total", "Requests there that were answered 4xx.",
                    "injection.refused", of_requests(&Requests::refused));
  registry_.counter("sealpost_injection_put_off_total", "Requests there that were answered 5xx.",
                    "injection.put_off", of_requests(&Requests::put_off));
  registry_.counter("sealpost_injection_denied_total", "Requests there without a good token.",
                    "injection.denied", of_requests(&Requests::denied));
  registry_.counter("sealpost_injection_connections_total", "Connections to injection.http.",
                    "injection.connections", of_connections(&Connections::connections));
  registry_.counter("sealpost_injection_turned_away_total",
                    "Connections there that were closed unheard: too many of one address, or without TLS.",
                    "injection.turned_away", of_connections(&Connections::refused));
  registry_.counter("sealpost_injection_gave_way_total", "Connections there ended for another one's sake.",
                    "injection.gave_way", of_connections(&Connections::gave_way));
  registry_.counter("sealpost_injection_timed_out_total", "Connections there whose client was too slow.",
                    "injection.timed_out", of_connections(&Connections::timed_out));
}

}  // namespace sealpost::app
