// SPDX-License-Identifier: Apache-2.0
#include "app/live_check.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "app/port_owner.hpp"
#include "base/handles.hpp"
#include "config/resolving.hpp"
#include "event/event_loop.hpp"
#include "event/listener.hpp"
#include "event/run.hpp"

namespace sealpost::app {
namespace {

using Kind = LiveFinding::Kind;
using LiveFindings = std::vector<LiveFinding>;

// Any answer will do: what it is worth is the self-test's to say.
event::Task<void> ask_server(dns::AresResolver& resolver, std::size_t server, LiveFindings& into) {
  const dns::ProbeReply reply = co_await resolver.probe(server, std::string(), dns::RrType::soa);
  const std::string subject = "dns " + resolver.server_name(server);
  if (reply.kind == dns::ProbeReply::Kind::silent)
    into.emplace_back(Kind::bad, subject, "does not answer: " + reply.why);
  else if (reply.kind == dns::ProbeReply::Kind::servfail)
    into.emplace_back(Kind::bad, subject, "answers SERVFAIL for the root: it does not reach the DNS");
  else
    into.emplace_back(Kind::good, subject, "answers");
}

event::Task<void> ask_servers(event::Loop& loop, dns::AresResolver& resolver, dns::DnssecWatch& watch,
                              LiveFindings& into) {
  event::TaskScope scope(loop);
  for (std::size_t server = 0; server < resolver.servers(); ++server)
    scope.spawn(ask_server(resolver, server, into));
  scope.spawn(watch.test());
  co_await scope.join();
}

void try_resolver(const Config& config, LiveFindings& into) {
  const dns::ResolverSettings settings = resolver_settings(config.dns);
  if (settings.servers.empty()) {
    into.emplace_back(Kind::bad, "dns",
                      "/etc/resolv.conf names no server; set [dns] servers = [\"127.0.0.1\"]");
    return;
  }
  event::EventLoop loop;
  dns::AresResolver resolver(loop, settings);
  dns::DnssecWatch watch(loop, resolver, resolver.ad_trusted(), dnssec_probe(config.dns));
  event::run_until_done(loop, ask_servers(loop, resolver, watch, into));
  const std::string found = std::string(dns::name_of(watch.state())) + ": " + watch.explanation();
  switch (watch.mode()) {
    case dns::DaneMode::on:
      into.emplace_back(watch.state() == dns::DnssecState::proven ? Kind::good : Kind::warning, "dnssec",
                        found + "; DANE is on");
      break;
    case dns::DaneMode::off:
      into.emplace_back(config.delivery.dane ? Kind::bad : Kind::warning, "dnssec",
                        found + (config.delivery.dane ? "; DANE will be OFF: mail goes out without it"
                                                      : "; [dane] is not enabled, so nothing depends on it"));
      break;
    case dns::DaneMode::defer:
      into.emplace_back(config.delivery.dane ? Kind::bad : Kind::warning, "dnssec",
                        found + (config.delivery.dane ? "; mail would wait until it is known" : ""));
      break;
  }
}

void try_address(const std::string& subject, const Endpoint& address, LiveFindings& into) {
  const auto free = event::address_is_free(address);
  if (free) {
    into.emplace_back(Kind::good, subject, "can be bound");
    return;
  }
  const std::string owner = port_owner(address);
  if (owner.find("(sealpost)") != owner.npos)
    into.emplace_back(Kind::taken, subject, "sealpost has it already, " + owner);
  else
    into.emplace_back(Kind::bad, subject, listener_refused(address, free.error()).detail);
}

void try_data_dir(const std::string& path, LiveFindings& into) {
  const std::string subject = "data_dir " + path;
  const FileDescriptor file(::open(path.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  const bool unsupported = !file && (errno == EOPNOTSUPP || errno == EISDIR);
  if (file ? ::write(file.get(), "x", 1) == 1 : unsupported && ::access(path.c_str(), W_OK | X_OK) == 0)
    into.emplace_back(Kind::good, subject, "can be written");
  else if (errno == ENOENT)
    into.emplace_back(Kind::warning, subject, "is not there yet; the start makes it");
  else
    into.emplace_back(Kind::bad, subject,
                      std::string("cannot be written by who runs this: ") + std::strerror(errno));
}

}  // namespace

std::string_view name_of(LiveFinding::Kind kind) noexcept {
  switch (kind) {
    case Kind::good: return "good";
    case Kind::taken: return "in use";
    case Kind::warning: return "warning";
    case Kind::bad: return "bad";
  }
  return "?";
}

std::vector<LiveFinding> check_live(const Config& config) {
  LiveFindings findings;
  try_resolver(config, findings);
  for (const ListenerConfig& listener : config.listeners)
    try_address("listener " + listener.address.to_string(), listener.address, findings);
  if (config.control_http)
    try_address("control.http " + config.control_http->to_string(), *config.control_http, findings);
  if (const auto& at = config.tls_rpt.receive_http)
    try_address("tls_rpt.receive_http " + at->to_string(), *at, findings);
  if (const auto& at = config.injection.http) try_address("injection.http " + at->to_string(), *at, findings);
  try_data_dir(config.data_dir, findings);
  return findings;
}

}  // namespace sealpost::app
