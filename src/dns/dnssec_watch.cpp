// SPDX-License-Identifier: Apache-2.0
#include "dns/dnssec_watch.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "base/planted.hpp"
#include "event/wait.hpp"

namespace sealpost::dns {

namespace {

constexpr std::uint64_t broken_every = 10;  // runs; they are other people's servers
constexpr std::string_view cause = "DNSSEC";

std::string spoken(const std::string& name) { return name.empty() ? "the root" : name; }

}  // namespace

DnssecProbe well_known_probe() {
  DnssecProbe probe;
  probe.signed_names = {"", "com", "org", "net"};
  probe.broken_names = {"dnssec-failed.org", "rhybar.cz", "servfail.nl", "brokendnssec.net",
                        "fail01.dnssec.works"};
  return probe;
}

std::string_view name_of(DnssecState state) noexcept {
  switch (state) {
    case DnssecState::untrusted: return "untrusted";
    case DnssecState::untested: return "untested";
    case DnssecState::no_ad: return "no-ad";
    case DnssecState::lying: return "lying";
    case DnssecState::signed_only: return "signed-only";
    case DnssecState::proven: return "proven";
    case DnssecState::lost: return "lost";
  }
  return "?";
}

DaneMode dane_mode(DnssecState state) noexcept {
  if (planted(Plant::assume_dane)) return DaneMode::on;
  switch (state) {
    case DnssecState::untrusted:
    case DnssecState::no_ad:
    case DnssecState::lying: return DaneMode::off;
    case DnssecState::signed_only:
    case DnssecState::proven: return DaneMode::on;
    case DnssecState::untested:
    case DnssecState::lost: return DaneMode::defer;
  }
  return DaneMode::defer;
}

DnssecWatch::DnssecWatch(event::Loop& loop, ProbedServers& servers, bool ad_trusted, DnssecProbe probe,
                         Health* health)
    : loop_(loop),
      servers_(servers),
      probe_(std::move(probe)),
      health_(health),
      standings_(servers.servers()),
      state_(ad_trusted ? DnssecState::untested : DnssecState::untrusted),
      why_(ad_trusted ? "not tested yet"
                      : "a DNS server is not on loopback, or is a forwarder (127.0.0.11), and [dns] trust_ad "
                        "does not say otherwise") {}

std::string DnssecWatch::explanation() const {
  const std::lock_guard lock(mutex_);
  return why_;
}

event::Task<void> DnssecWatch::test() {
  if (state() == DnssecState::untrusted) {
    if (!std::exchange(told_, true)) tell(state(), DnssecState::untested, why_);
    co_return;
  }
  event::TaskScope scope(loop_);
  for (std::size_t i = 0; i < standings_.size(); ++i) scope.spawn(test_server(i));
  co_await scope.join();
  ++runs_;
  conclude();
  run_ended_.notify();
}

event::Task<void> DnssecWatch::first_test(Duration limit) {
  if (!has_tested()) (void)co_await event::within(loop_, limit, tested());
}

event::Task<Expected<void>> DnssecWatch::tested() {
  while (!has_tested()) co_await run_ended_.wait();
  co_return Expected<void>();
}

event::Task<void> DnssecWatch::test_server(std::size_t server) {
  Standing& standing = standings_[server];
  ProbeReply reply;
  std::string name;
  for (const std::string& candidate : probe_.signed_names) {
    name = candidate;
    reply = co_await servers_.probe(server, candidate, probe_.signed_type);
    if (reply.kind == ProbeReply::Kind::found || reply.kind == ProbeReply::Kind::absent) break;
  }
  const bool answered = reply.kind == ProbeReply::Kind::found || reply.kind == ProbeReply::Kind::absent;
  if (!answered) {
    // Nothing learned. What was off stays off: mail is flowing and has been warned about.
    if (dane_mode(standing.state) == DaneMode::off) co_return;
    standing.state = standing.was_on ? DnssecState::lost : DnssecState::untested;
    standing.why = "no signed name was answered (" + spoken(name) + ": " + reply.why + ")";
    co_return;
  }
  if (!reply.ad) {
    standing.state = standing.was_on ? DnssecState::lost : DnssecState::no_ad;
    standing.why = "the signed name " + spoken(name) + " came without the AD bit";
    co_return;
  }
  if (standing.broken != Standing::Broken::withheld || runs_ % broken_every == 0)
    co_await test_broken(server, standing);
  switch (standing.broken) {
    case Standing::Broken::answered:
      standing.state = standing.was_on ? DnssecState::lost : DnssecState::lying;
      break;
    case Standing::Broken::withheld:
      standing.state = DnssecState::proven;
      standing.why = "the resolver validates";
      break;
    case Standing::Broken::unknown:
      standing.state = DnssecState::signed_only;
      standing.why =
          "signed names come with the AD bit; no broken name could be reached to see that others do not";
      break;
  }
  standing.was_on = standing.was_on || dane_mode(standing.state) == DaneMode::on;
}

// One that is answered outweighs all that are withheld: a zone may have died, and then everybody says SERVFAIL.
event::Task<void> DnssecWatch::test_broken(std::size_t server, Standing& standing) {
  std::vector<ProbeReply> replies(probe_.broken_names.size());
  event::TaskScope scope(loop_);
  for (std::size_t i = 0; i < replies.size(); ++i)
    scope.spawn(keep_probe(server, probe_.broken_names[i], replies[i]));
  co_await scope.join();
  bool withheld = false;
  for (std::size_t i = 0; i < replies.size(); ++i) {
    withheld = withheld || replies[i].kind == ProbeReply::Kind::servfail;
    if (replies[i].kind != ProbeReply::Kind::found) continue;
    standing.broken = Standing::Broken::answered;
    standing.why =
        "the broken name " + probe_.broken_names[i] + " was answered: the resolver does not validate";
    co_return;
  }
  if (withheld) standing.broken = Standing::Broken::withheld;  // else nothing was learned
}

event::Task<void> DnssecWatch::keep_probe(std::size_t server, std::string name, ProbeReply& into) {
  into = co_await servers_.probe(server, std::move(name), RrType::a);
}

// On while one server is: the others are not asked then. Off only when none ever was.
void DnssecWatch::conclude() {
  const auto is_on = [](const Standing& s) { return dane_mode(s.state) == DaneMode::on; };
  const bool some_on = std::ranges::any_of(standings_, is_on);
  std::string left_out;
  bool changed = false;
  const Standing* decides = nullptr;
  for (std::size_t i = 0; i < standings_.size(); ++i) {
    Standing& standing = standings_[i];
    const bool fit = !some_on || is_on(standing);
    changed = changed || fit != standing.fit;
    standing.fit = fit;
    servers_.set_fit(i, fit);
    if (!fit) left_out += "; " + servers_.server_name(i) + " is not asked: " + standing.why;
    if (!fit) continue;
    // The weakest of those that are asked speaks for all; what was lost is worse than what never was.
    const auto rank = [](DnssecState state) {
      switch (state) {
        case DnssecState::lost: return 0;
        case DnssecState::untrusted:
        case DnssecState::no_ad:
        case DnssecState::lying: return 1;
        case DnssecState::untested: return 2;
        case DnssecState::signed_only: return 3;
        case DnssecState::proven: return 4;
      }
      return 0;
    };
    if (decides == nullptr || rank(standing.state) < rank(decides->state)) decides = &standing;
  }
  if (decides == nullptr) return;
  if (changed) since_.store(loop_.now().time_since_epoch().count(), std::memory_order_release);
  set(decides->state, decides->why + left_out);
}

void DnssecWatch::set(DnssecState state, std::string why) {
  if (dane_mode(state) != mode())
    since_.store(loop_.now().time_since_epoch().count(), std::memory_order_release);
  const DnssecState before = state_.exchange(state, std::memory_order_acq_rel);
  bool same_words = false;
  {
    const std::lock_guard lock(mutex_);
    same_words = why_ == why;
    why_ = why;
  }
  if (before != state || !same_words) tell(state, before, why);
}

void DnssecWatch::tell(DnssecState state, DnssecState before, const std::string& why) const {
  const DaneMode mode = dane_mode(state);
  const std::string_view effect = mode == DaneMode::on    ? "DANE is on"
                                  : mode == DaneMode::off ? "DANE is OFF: mail goes out without it"
                                                          : "mail is deferred until it is known";
  const bool left_out = std::ranges::any_of(standings_, [](const Standing& s) { return !s.fit; });
  const log::Level level = mode != DaneMode::on                        ? log::Level::error
                           : state == DnssecState::proven && !left_out ? log::Level::info
                                                                       : log::Level::warning;
  log::write(level, "dnssec",
             {{"state", name_of(state)}, {"before", name_of(before)}, {"why", why}, {"effect", effect}});
  if (health_ == nullptr) return;
  if (mode == DaneMode::on && !left_out) return health_->clear(cause);
  health_->raise(cause, std::string(effect) + ": " + why,
                 mode == DaneMode::on
                     ? "take the server out of [dns] servers, or make it validate"
                     : "run a validating resolver on this machine (unbound) and name it in [dns] "
                       "servers; on a network of its own, name a signed and a broken name of it in "
                       "[dns] signed_name and broken_name; or set [dane] enabled = false");
}

}  // namespace sealpost::dns
