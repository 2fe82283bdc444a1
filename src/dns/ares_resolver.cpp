// SPDX-License-Identifier: Apache-2.0
#include "dns/ares_resolver.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "base/log.hpp"
#include "base/random.hpp"
#include "dns/failed_answer.hpp"
#include "dns/name.hpp"
#include "dns/question_case.hpp"

namespace sealpost::dns {

struct AresResolver::Server {
  Server(event::EventLoop& loop, const Endpoint& endpoint_, Duration limit, QueryPorts::Spread spread_)
      : endpoint(endpoint_), spread(spread_), ports(loop, endpoint_, limit, spread_) {}
  bool mixes_case(SteadyTime now) const noexcept {
    return spread == QueryPorts::Spread::yes && now >= plain_until;
  }
  Endpoint endpoint;
  const QueryPorts::Spread spread;
  QueryPorts ports;
  SteadyTime silent_until{};
  SteadyTime plain_until{};  // it changes the letters of questions: they go out as they are
  bool kept_case = false;    // once at least
  SteadyTime told_suspect{};
  bool fit = true;  // by DnssecWatch
};

namespace {

// RFC 5452 §4.3, §9.2: unpredictable. c-ares matches id and question, so two queries in flight with one id
// are harmless.
std::uint16_t random_id() {
  std::array<std::uint8_t, 2> octets{};
  random_bytes(octets);
  return static_cast<std::uint16_t>(octets[0] << 8 | octets[1]);
}

constexpr auto plain_for = std::chrono::hours(1);
constexpr auto tell_suspect_every = std::chrono::minutes(1);

// The part of an alias chain known so far, continued by what the server said about its end.
void prepend(const ParsedAnswer& first, ParsedAnswer& rest) {
  Answer& answer = rest.answer;
  answer.aliases.insert(answer.aliases.begin(), first.answer.aliases.begin(), first.answer.aliases.end());
  answer.questions = static_cast<std::uint8_t>(first.answer.questions + 1);
  rest.authenticated = rest.authenticated && first.authenticated;  // secure only if every link is (D4)
}

}  // namespace

AresResolver::AresResolver(event::EventLoop& loop, const ResolverSettings& settings)
    : loop_(loop),
      settings_(settings),
      ad_trusted_(trusts_ad(settings.trust_ad, settings.servers)),
      turns_(loop, settings.turns) {
  if (settings_.servers.empty()) throw std::runtime_error("no DNS server to ask");
  for (const Endpoint& server : settings_.servers) {
    const auto spread = settings_.spread_always ? QueryPorts::Spread::yes : QueryPorts::spread_for(server);
    servers_.push_back(std::make_unique<Server>(loop_, server, settings_.try_limit, spread));
  }
}

AresResolver::~AresResolver() = default;

event::Task<AnswerPtr> AresResolver::query(std::string name, RrType type) {
  const auto normal = normal_name(name);
  if (!normal) co_return failed_answer("not a domain name");
  const SteadyTime begun = loop_.steady();
  auto parsed = co_await find(Question(*normal, type));
  counters_.answer.observe(loop_.steady() - begun);
  if (!parsed) {
    counters_.failed.fetch_add(1, std::memory_order_relaxed);
    co_return failed_answer(std::move(parsed.error().detail));
  }

  auto answer = std::make_shared<Answer>(std::move(parsed->answer));
  answer->dnssec = ad_trusted_ && parsed->authenticated ? Dnssec::secure : Dnssec::insecure;
  answer->expires = loop_.now() + std::chrono::seconds(answer->ttl);
  co_return answer;
}

event::Task<Expected<ParsedAnswer>> AresResolver::find(Question question) {
  const auto place = co_await turns_.place_for(question.name);
  counters_.waited = turns_.counters().waited;
  counters_.refused = turns_.counters().refused;
  if (!place) co_return Error(Errc::unavailable, "too many questions about this domain wait for an answer");
  const SteadyTime end = loop_.now() + settings_.limit;

  auto parsed = co_await ask_servers(question, end);
  // Servers that resolve fully end the chain themselves; from others it is put together here.
  while (parsed && parsed->incomplete) {
    const auto target = normal_name(parsed->answer.canonical);
    if (!target) co_return Error(Errc::protocol, "alias to what is no domain name");
    const Question next(*target, question.type);
    auto rest = co_await ask_servers(next, end);
    if (!rest) co_return rest;
    prepend(*parsed, *rest);
    if (rest->answer.aliases.size() > alias_cap)
      co_return Error(Errc::protocol, "CNAME chain loops or is too long");
    parsed = std::move(rest);
  }
  co_return parsed;
}

// Servers known to be silent come last; one that stays silent is asked again after the others. An rcode that
// says "I cannot" settles a server: asking it again at once would give the same.
event::Task<Expected<ParsedAnswer>> AresResolver::ask_servers(Question question, SteadyTime end) {
  std::vector<Server*> left = in_order();
  std::string why = "timed out";
  while (!left.empty() && loop_.now() < end) {
    Server* const server = left.front();
    left.erase(left.begin());
    auto parsed = co_await ask(*server, question);
    if (parsed) co_return parsed;
    why = parsed.error().detail + " from " + server->endpoint.to_string();
    const bool silent = parsed.error().code == Errc::timed_out;
    server->silent_until = silent ? loop_.now() + settings_.silent_for : SteadyTime{};
    if (silent) left.push_back(server);
  }
  co_return Error(Errc::unavailable, std::move(why));
}

// One server, once. What tells nothing about the name is an error here, so that the next server is asked.
event::Task<Expected<ParsedAnswer>> AresResolver::ask(Server& server, const Question& question) {
  auto message = co_await exchange(server, question);
  if (!message) co_return message.error();
  auto parsed = parse_answer(*message, question);
  if (!parsed) co_return parsed;
  if (parsed->truncated) co_return Error(Errc::protocol, "answer truncated over TCP");
  if (parsed->answer.status == Status::failed) co_return Error(Errc::unavailable, parsed->answer.why);
  co_return parsed;
}

event::Task<Expected<Octets>> AresResolver::exchange(Server& server, const Question& question) {
  counters_.asked.fetch_add(1, std::memory_order_relaxed);
  Octets query = make_query(question, random_id());
  const bool mixed = server.mixes_case(loop_.now());
  if (mixed) mix_case(query);
  auto message = co_await server.ports.ask(query);
  if (!mixed || !message) co_return message;
  if (!echoes_question(query, *message)) {
    auto again = co_await ask_again(server, std::move(query), std::move(*message));
    co_return again;
  }
  server.kept_case = true;
  co_return message;
}

// An answer to other letters than those asked: from somebody who did not see the query, or from a server that changes
// them. Over TCP nobody off the path can answer (RFC 5452 §9.3), so what comes there is believed and tells which it was.
// A server that never kept the letters and does not take TCP is believed as it is: nothing else would ever be.
event::Task<Expected<Octets>> AresResolver::ask_again(Server& server, Octets query, Octets doubtful) {
  counters_.case_differed.fetch_add(1, std::memory_order_relaxed);
  auto sure = co_await server.ports.ask_over_tcp(query);
  const SteadyTime now = loop_.now();
  if (sure ? echoes_question(query, *sure) : server.kept_case) {
    counters_.suspect.fetch_add(1, std::memory_order_relaxed);
    if (now - server.told_suspect >= tell_suspect_every || server.told_suspect == SteadyTime{})
      log::warning("dns_answer_suspect", {{"server", server.endpoint.to_string()},
                                          {"why", "the letters of its question are not in the case asked"},
                                          {"instead", sure ? "asked over TCP" : "not used, and TCP failed"}});
    server.told_suspect = now;
    if (!sure) co_return Error(Errc::unavailable, "doubtful answer, and over TCP: " + sure.error().detail);
    server.kept_case = true;
    co_return sure;
  }
  server.plain_until = now + plain_for;
  log::info("dns_case_not_kept",
            {{"server", server.endpoint.to_string()},
             {"why", "it changes the letters of questions"},
             {"instead", "questions go to it in lower case for an hour; ports and ids stay random"}});
  if (sure) co_return sure;
  co_return doubtful;
}

std::string AresResolver::server_name(std::size_t server) const {
  return servers_[server]->endpoint.to_string();
}

void AresResolver::set_fit(std::size_t server, bool fit) noexcept { servers_[server]->fit = fit; }

event::Task<ProbeReply> AresResolver::probe(std::size_t server, std::string name, RrType type) {
  const Question question(std::move(name), type);
  ProbeReply reply;
  auto message = co_await exchange(*servers_[server], question);
  if (!message) {
    reply.why = message.error().detail;
    co_return reply;
  }
  const auto parsed = parse_answer(*message, question);
  if (!parsed || parsed->truncated) {
    reply.why = parsed ? "answer truncated over TCP" : parsed.error().detail;
    co_return reply;
  }
  const Answer& answer = parsed->answer;
  reply.ad = parsed->authenticated;
  reply.why = answer.why;
  constexpr std::uint8_t servfail = 2;
  if (answer.status == Status::found)
    reply.kind = ProbeReply::Kind::found;
  else if (answer.status != Status::failed)
    reply.kind = ProbeReply::Kind::absent;
  else if (answer.rcode == servfail)
    reply.kind = ProbeReply::Kind::servfail;
  co_return reply;
}

std::vector<AresResolver::Server*> AresResolver::in_order() const {
  std::vector<Server*> order;
  for (const auto& server : servers_)
    if (server->fit) order.push_back(server.get());
  const SteadyTime now = loop_.now();
  // Not std::ranges::stable_partition: clang 14 cannot compile what libstdc++ 12 returns from it.
  std::stable_partition(order.begin(), order.end(),
                        [now](const Server* server) { return server->silent_until <= now; });
  return order;
}

}  // namespace sealpost::dns
