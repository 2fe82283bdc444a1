// SPDX-License-Identifier: Apache-2.0
#include "delivery/contact.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace sealpost::delivery {
namespace {

// The part of the session key that says what the handshake had to prove (T-07, S43).
std::string requirement_key(const Requirement& requirement) {
  std::string key;
  for (const Demand& demand : requirement.demands) {
    key += std::string(name_of(demand.source)) + (demand.force == Force::enforce ? "!" : "?") +
           demand.version + ";";
  }
  return key;
}

// RFC 7672 §8.1, RFC 8461 §7.1.
const std::string& server_name_for(const HostView& view) {
  return view.dane.kind == DaneState::Kind::usable ? view.dane.base_domain : view.host.name;
}

// 500 and 502 are what a server says that has never heard of EHLO (RFC 5321 §4.2.4).
bool refused_ehlo(const smtp::SessionError& error) {
  return error.stage == smtp::Stage::ehlo && error.reply &&
         (error.reply->code == 500 || error.reply->code == 502);
}

std::vector<std::string> ignored_at(const std::string& host, const Settings& settings) {
  std::vector<std::string> keywords;
  for (const IgnoredKeywords& entry : settings.ignored_keywords)
    if (covers(entry.host, host))
      keywords.insert(keywords.end(), entry.keywords.begin(), entry.keywords.end());
  return keywords;
}

}  // namespace

Offer offer_of(const Plan& plan, const HostView& view) {
  Offer offer;
  offer.rules = plan.rules;
  offer.tls = view.decision.try_tls;
  offer.server_name = server_name_for(view);
  offer.identity = plan.identity;
  offer.smart_host = plan.smart_host;
  return offer;
}

bool speaks_tls_at_once(const Plan& plan) noexcept {
  return plan.smart_host && plan.smart_host->implicit_tls;
}

Manner first_manner(const Plan& plan, const HostView& view) noexcept {
  return view.decision.try_tls || speaks_tls_at_once(plan) ? Manner::tls : Manner::clear;
}

Contact::Contact(Context& context, const Plan& plan, const HostView& view, const Endpoint& endpoint,
                 Manner manner, const smtp::ClientLimits& limits, Tickets tickets)
    : context_(context),
      plan_(plan),
      view_(view),
      endpoint_(endpoint),
      manner_(manner),
      limits_(limits),
      tickets_(tickets),
      implicit_(speaks_tls_at_once(plan)) {
  facts_.starttls = StartTls::not_tried;
  facts_.mx_host = view.host.name;
}

tls::ClientOptions Contact::options() const {
  tls::ClientOptions options;
  options.server_name = server_name_for(view_);
  options.minimum = TlsVersion::tls1_2;
  const Requirement& requirement = view_.decision.requirement;
  for (const Demand& demand : requirement.demands) {
    if (demand.force != Force::enforce) continue;
    options.minimum = std::max(options.minimum, demand.minimum);
    if (demand.needs_strength()) options.strong_only = true;
  }
  if (view_.dane.kind == DaneState::Kind::usable) options.tlsa = view_.dane.usable;
  options.classical_groups_only = manner_ == Manner::classical;
  if (tickets_ == Tickets::used)
    options.session_key = view_.host.name + ":" + std::to_string(plan_.next_hop.port) + "|" +
                          plan_.rules->settings.trust_id + "|" + requirement_key(requirement);
  options.trust = plan_.rules->trust;
  options.identity = plan_.identity;
  options.bindings = plan_.smart_host && plan_.smart_host->account;
  return options;
}

// A peer, or something before it, that swallows a first flight of more than one segment: post-quantum key shares
// or a large ticket. A second try without either reaches it (T18).
bool Contact::stalls(const smtp::SessionError& error) const noexcept {
  return manner_ == Manner::tls && error.stage == smtp::Stage::handshake &&
         error.error.code == Errc::timed_out;
}

event::Task<Contact::Step> Contact::greet() {
  auto stream = co_await context_.connector.connect(endpoint_, limits_.connect);
  if (!stream) {
    error_ = stream.error();
    co_return Step::no_connection;
  }
  const Settings& settings = plan_.rules->settings;
  session_ = std::make_unique<smtp::ClientSession>(std::move(*stream), settings.hostname, limits_);
  std::vector<std::string> ignored = ignored_at(view_.host.name, settings);
  if (context_.hosts.no_chunks(view_.host.name, context_.loop.now())) ignored.emplace_back("CHUNKING");
  session_->ignore(std::move(ignored));
  if (implicit_) {
    tls::ClientOptions wanted = options();
    const SteadyTime begun = context_.loop.steady();
    auto secured = co_await session_->secure(context_.tls, std::move(wanted));
    facts_ = session_->facts();
    facts_.mx_host = view_.host.name;
    if (!secured) {
      failure_ = secured.error();
      co_return stalls(secured.error()) ? Step::stalled : Step::not_secured;
    }
    context_.totals.handshake.observe(context_.loop.steady() - begun);
  }
  const bool must_encrypt = view_.decision.requirement.tls_required();
  auto greeted = co_await session_->open(!must_encrypt && !implicit_);
  if (!greeted && !(must_encrypt && refused_ehlo(greeted.error()))) {
    failure_ = greeted.error();
    co_return Step::not_greeted;
  }
  // Said inside TLS (RFC 8689 §4.2.1).
  if (implicit_) facts_.offers_requiretls = session_->extensions().requiretls;
  co_return Step::done;
}

event::Task<Contact::Step> Contact::encrypt() {
  if (implicit_ || manner_ == Manner::clear) co_return Step::done;
  facts_.starttls = StartTls::not_offered;
  if (!session_->extensions().starttls) co_return Step::done;
  tls::ClientOptions wanted = options();
  const SteadyTime begun = context_.loop.steady();
  auto started = co_await session_->start_tls(context_.tls, std::move(wanted));
  if (!started && stalls(started.error())) co_return Step::stalled;
  facts_ = session_->facts();
  facts_.mx_host = view_.host.name;
  if (started) {
    context_.totals.handshake.observe(context_.loop.steady() - begun);
    co_return Step::done;
  }
  handshake_failed_ = true;
  if (facts_.starttls == StartTls::refused) {  // 421: it said no and left (RFC 8460 §4.3.1: no STARTTLS)
    facts_.handshake_error = "STARTTLS was answered with " + facts_.starttls_reply;
  } else {
    facts_.starttls = StartTls::handshake_failed;
    if (facts_.handshake_error.empty()) facts_.handshake_error = started.error().error.detail;
  }
  co_return Step::done;
}

}  // namespace sealpost::delivery
