// SPDX-License-Identifier: Apache-2.0
#include "delivery/log_in.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/handles.hpp"
#include "base/health.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "delivery/contact.hpp"
#include "sealpost/requirement.hpp"
#include "sealpost/verdict.hpp"

namespace sealpost::delivery {
namespace {

constexpr std::size_t longest_token = 16 * 1024;
constexpr std::string_view no_login = "4.7.0", not_accepted = "4.7.8";

// The last wall before a password goes out, whatever anybody else has decided: what the route's own level asks for, of this
// very handshake.
bool is_proven(const Plan& plan, const std::string& host, const SessionFacts& facts, SystemTime now) {
  const auto rule = route_rule(plan);
  if (!rule || facts.starttls != StartTls::established) return false;
  DecisionFacts only;
  only.policy_domain = plan.policy_domain;
  only.mx_host = host;
  only.partner = *rule;
  only.now = now;
  const Decision decision = decide(only);
  return !decision.skip && judge(decision.requirement, facts, now).verdict != Verdict::refuse;
}

// A line of its own in a file that others may not read.
Expected<std::string> read_token(const std::string& path) {
  const auto failed = [&](const char* what) {
    return Error(Errc::unavailable, "the token file " + path + " " + what + ": " + std::strerror(errno));
  };
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file) return failed("cannot be read");
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return failed("cannot be looked at");
  if (!S_ISREG(status.st_mode)) return Error(Errc::invalid, "the token file " + path + " is no file");
  if ((status.st_mode & (S_IRWXO | S_IWGRP)) != 0)
    return Error(Errc::invalid,
                 "the token file " + path + " is open to others; run: chmod o-rwx,g-w " + path);
  std::string text(longest_token, '\0');
  const ssize_t got = ::read(file.get(), text.data(), text.size());
  if (got < 0) return failed("cannot be read");
  text.resize(static_cast<std::size_t>(got));
  std::string token(text::trim(text, " \t\r\n"));
  auth::wipe(text);
  const bool whole = !token.empty() && token.size() < longest_token &&
                     token.find_first_of(" \t\r\n\1") == std::string::npos &&
                     text::printable(token, longest_token) == token;
  if (whole) return token;
  auth::wipe(token);
  return Error(Errc::invalid, "the token file " + path + " does not hold one token in one line");
}

Refusal trouble(Context& context, const SmartHost& smart_host, std::string_view status,
                const std::string& text, const char* how) {
  if (context.health != nullptr) context.health->raise(login_trouble(smart_host.name), text, how);
  return Refusal(std::string(status), text);
}

auth::SaslOffer offer_of(const std::string& host, const Endpoint& endpoint,
                         const smtp::ClientSession& session) {
  auth::SaslOffer offer;
  offer.mechanisms = session.extensions().auth;
  offer.binding.tls_exporter = session.bindings().exporter;
  offer.binding.tls_server_end_point = session.bindings().server_end_point;
  offer.host = host;
  offer.port = endpoint.port;
  return offer;
}

}  // namespace

std::optional<Refusal> login_waits(const SmartHost& smart_host, SteadyTime now) {
  if (smart_host.lacks_account)
    return Refusal(std::string(no_login),
                   "route '" + smart_host.name +
                       "' is kept as it was, since it asks for less now, and its former account is "
                       "not known; see `sealpost status`");
  if (!smart_host.account) return std::nullopt;
  const std::string why = smart_host.waits(now);
  if (why.empty()) return std::nullopt;
  return Refusal(std::string(not_accepted), "not tried again yet: " + why);
}

std::string login_trouble(const std::string& route) { return "smart host of route '" + route + "'"; }

event::Task<std::optional<Refusal>> log_in(Context& context, const Plan& plan, const std::string& host,
                                           const Endpoint& endpoint, const SessionFacts& facts,
                                           smtp::ClientSession& session) {
  const SmartHost& smart_host = *plan.smart_host;
  const std::string at = where(host, endpoint);
  if (!is_proven(plan, host, facts, context.loop.believed().latest))
    co_return trouble(
        context, smart_host, no_login,
        at + " has not proven what route '" + smart_host.name + "' asks for: no password is sent",
        "see why its certificate does not name it, or what route.tls asks for");
  std::string token;
  const auth::WipeAtEnd wiped(token);
  if (!smart_host.account->token_file.empty()) {
    auto read = read_token(smart_host.account->token_file);
    if (!read)
      co_return trouble(context, smart_host, no_login, read.error().detail,
                        "see whatever renews the token; mail waits meanwhile");
    token = std::move(*read);
  }
  const auth::SaslOffer offer = offer_of(host, endpoint, session);
  const auto client = auth::choose_mechanism(*smart_host.account, token, offer);
  if (!client) {
    std::string offered;
    for (const std::string& name : offer.mechanisms) offered += " " + name;
    co_return trouble(context, smart_host, no_login,
                      at + (offered.empty() ? std::string(" does not offer AUTH")
                                            : " offers no AUTH mechanism that may be used, but" +
                                                  text::printable(offered, 300)),
                      "see port and route.credentials; mail waits meanwhile");
  }
  auto answer = co_await session.authenticate(*client);
  if (answer && answer->positive()) {
    smart_host.accepted();
    context.totals.logins.fetch_add(1, std::memory_order_relaxed);
    if (context.health != nullptr) context.health->clear(login_trouble(smart_host.name));
    co_return std::nullopt;
  }
  context.totals.logins_refused.fetch_add(1, std::memory_order_relaxed);
  const bool unproven = !answer && answer.error().error.code == Errc::refused && !answer.error().reply;
  if (!answer && !unproven && !answer.error().reply)
    co_return Refusal("4.4.2", "conversation with " + at + " failed at AUTH: " + answer.error().error.detail);
  const std::string words = answer ? answer->to_string() : answer.error().error.detail;
  const std::string text = "AUTH " + std::string(client->mechanism()) + " at " + at + " as " +
                           text::printable(smart_host.account->user, 100) + " failed: " + words;
  const bool passes = answer ? answer->transient() : !unproven;
  if (passes) co_return Refusal(std::string(no_login), text);  // 454: its accounts are out of order, not ours
  smart_host.refused(text, context.loop.now());
  log::warning("smart_host_login_refused", {{"route", smart_host.name}, {"mx", at}, {"reply", words}});
  co_return trouble(context, smart_host, not_accepted, text,
                    "correct the file that route.credentials names, then reload; mail waits meanwhile");
}

}  // namespace sealpost::delivery
