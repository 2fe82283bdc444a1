// SPDX-License-Identifier: Apache-2.0
#include "publishing/spf.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "dns/host_addresses.hpp"
#include "dns/name.hpp"

namespace sealpost::publishing {
namespace {

constexpr std::string_view version_tag = "v=spf1";
constexpr unsigned most_asked = 10, most_empty = 2;
constexpr std::size_t most_exchanges = 10;
constexpr const char* depends_on_message =
    "terms with macros or 'ptr' may let it through; they depend on each message";
constexpr std::array<std::string_view, 8> mechanisms{"all", "include", "a",   "mx",
                                                     "ptr", "ip4",     "ip6", "exists"};

Error wrong(std::string_view term, const std::string& why) {
  return Error(Errc::invalid, "'" + text::printable(term, 80) + "' " + why);
}

bool is_modifier_name(std::string_view name) {
  return !name.empty() && text::lower(name.front()) >= 'a' && text::lower(name.front()) <= 'z' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           const char low = text::lower(c);
           return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
         });
}

// "/24", "//64", "/24//64": off the end of `rest`.
bool take_lengths(std::string_view& rest, SpfTerm& term) {
  const auto slash = rest.find('/');
  if (slash == std::string_view::npos) return true;
  std::string_view lengths = rest.substr(slash);
  rest = rest.substr(0, slash);
  const auto number = [](std::string_view digits, unsigned most, unsigned& into) {
    const auto value = text::parse_u64(digits);
    if (!value || *value > most) return false;
    into = static_cast<unsigned>(*value);
    return true;
  };
  const auto both = lengths.find("//");
  if (both != std::string_view::npos && !number(lengths.substr(both + 2), 128, term.v6_bits)) return false;
  lengths = lengths.substr(0, both);
  return lengths.empty() || number(lengths.substr(1), 32, term.v4_bits);
}

Expected<SpfTerm> parse_network(std::string_view word, std::string_view value, SpfTerm term) {
  const auto slash = value.find('/');
  const auto address = IpAddress::parse(value.substr(0, slash));
  const bool v4 = term.name == "ip4";
  if (!address || address->is_v4() != v4) return wrong(word, "holds no address of that kind");
  if (slash != std::string_view::npos) {
    const auto bits = text::parse_u64(value.substr(slash + 1));
    if (!bits || *bits > (v4 ? 32u : 128u)) return wrong(word, "has a prefix length that is none");
    (v4 ? term.v4_bits : term.v6_bits) = static_cast<unsigned>(*bits);
  }
  term.value = value.substr(0, slash);
  return term;
}

Expected<SpfTerm> parse_mechanism(std::string_view word) {
  SpfTerm term;
  std::string_view rest = word;
  if (std::string_view("+-~?").find(rest.front()) != std::string_view::npos) {
    term.qualifier = rest.front();
    rest.remove_prefix(1);
  }
  const auto end = std::min(rest.find_first_of(":/"), rest.size());
  term.name = text::lower(rest.substr(0, end));
  if (std::find(mechanisms.begin(), mechanisms.end(), term.name) == mechanisms.end())
    return wrong(word, "is no mechanism that SPF has");
  rest.remove_prefix(end);
  const bool colon = rest.starts_with(':');
  if (colon) rest.remove_prefix(1);
  if (term.name == "ip4" || term.name == "ip6") return parse_network(word, rest, std::move(term));
  if ((term.name == "a" || term.name == "mx") && !take_lengths(rest, term))
    return wrong(word, "has a prefix length that is none");
  if (term.name == "all" && (colon || !rest.empty())) return wrong(word, "has something behind 'all'");
  if (colon == rest.empty()) return wrong(word, "names no domain");
  if (rest.empty() && (term.name == "include" || term.name == "exists"))
    return wrong(word, "names no domain");
  term.value = rest;
  return term;
}

bool has_macro(std::string_view domain) { return domain.find('%') != std::string_view::npos; }

// Host bits of `base` do not count (RFC 7208 §5.6).
Network network_of(const SpfTerm& term, const IpAddress& base) {
  return Network(base, base.is_v4() ? term.v4_bits : term.v6_bits);
}

SpfResult result_of(char qualifier) noexcept {
  switch (qualifier) {
    case '-': return SpfResult::fail;
    case '~': return SpfResult::softfail;
    case '?': return SpfResult::neutral;
    default: return SpfResult::pass;
  }
}

std::string text_of(const SpfTerm& term) {
  return (term.qualifier == '+' ? "" : std::string(1, term.qualifier)) + term.name +
         (term.value.empty() ? "" : ":" + text::printable(term.value, 80));
}

}  // namespace

std::string_view name_of(SpfResult result) noexcept {
  switch (result) {
    case SpfResult::pass: return "pass";
    case SpfResult::fail: return "fail";
    case SpfResult::softfail: return "softfail";
    case SpfResult::neutral: return "neutral";
    case SpfResult::none: return "none";
    case SpfResult::temperror: return "temperror";
    case SpfResult::permerror: return "permerror";
    case SpfResult::unclear: return "unclear";
  }
  return "";
}

std::vector<std::string> spf_records(const std::vector<std::string>& texts) {
  std::vector<std::string> records;
  for (const std::string& record : texts)
    if (text::istarts_with(record, version_tag) &&
        (record.size() == version_tag.size() || record[version_tag.size()] == ' '))
      records.push_back(record);
  return records;
}

Expected<std::vector<SpfTerm>> parse_spf(std::string_view record) {
  std::vector<SpfTerm> terms;
  for (const std::string_view word : text::split(record.substr(version_tag.size()), ' ')) {
    if (word.empty()) continue;
    const auto equals = word.find('=');
    if (equals < word.find_first_of(":/")) {
      SpfTerm term;
      term.modifier = true;
      term.name = text::lower(word.substr(0, equals));
      term.value = word.substr(equals + 1);
      if (!is_modifier_name(term.name)) return wrong(word, "is neither a mechanism nor name=value");
      const bool once = term.name == "redirect" || term.name == "exp";
      if (once && std::any_of(terms.begin(), terms.end(),
                              [&](const SpfTerm& each) { return each.modifier && each.name == term.name; }))
        return wrong(word, "is there twice");
      terms.push_back(std::move(term));
      continue;
    }
    auto term = parse_mechanism(word);
    if (!term) return term.error();
    terms.push_back(std::move(*term));
  }
  return terms;
}

bool SpfCheck::spend() {
  if (++asked_ <= most_asked) return true;
  problem_ = "it leads to more than 10 questions to DNS, where receivers stop";
  return false;
}

// RFC 7208 §4.6.4: a few names without records are put up with.
SpfCheck::Match SpfCheck::nothing_there(const dns::Answer& answer, const std::string& asked) {
  if (answer.status == dns::Status::failed) {
    problem_ = "the lookup of " + text::printable(asked) + " failed: " + answer.why;
    return Match::temperror;
  }
  if (++empty_ <= most_empty) return Match::no;
  problem_ = "it names more than two names that have no record, where receivers stop";
  return Match::permerror;
}

event::Task<SpfCheck::Match> SpfCheck::has_address(std::string host, const SpfTerm& term) {
  const bool v4 = address_.is_v4();
  const dns::AnswerPtr answer = co_await resolver_.query(host, v4 ? dns::RrType::a : dns::RrType::aaaa);
  if (answer->status != dns::Status::found) co_return nothing_there(*answer, host);
  const bool found =
      std::any_of(answer->addresses.begin(), answer->addresses.end(),
                  [&](const IpAddress& each) { return network_of(term, each).contains(address_); });
  co_return found ? Match::yes : Match::no;
}

event::Task<SpfCheck::Match> SpfCheck::has_exchange(std::string host, const SpfTerm& term) {
  const dns::AnswerPtr answer = co_await resolver_.query(host, dns::RrType::mx);
  if (answer->status != dns::Status::found) co_return nothing_there(*answer, host + " MX");
  if (answer->mx.size() > most_exchanges) {
    problem_ = "'mx' leads to more than 10 hosts, where receivers stop";
    co_return Match::permerror;
  }
  for (const dns::Mx& mx : answer->mx) {
    if (mx.exchange.empty()) continue;
    const Match match = co_await has_address(mx.exchange, term);
    if (match != Match::no) co_return match;
  }
  co_return Match::no;
}

// RFC 7208 §5.2: what the other record says otherwise is not ours.
event::Task<SpfCheck::Match> SpfCheck::includes(const std::string& domain) {
  const SpfVerdict verdict = co_await check(domain);
  switch (verdict.result) {
    case SpfResult::pass: co_return Match::yes;
    case SpfResult::fail:
    case SpfResult::softfail:
    case SpfResult::neutral: co_return Match::no;
    case SpfResult::unclear: co_return Match::unclear;
    case SpfResult::temperror: problem_ = verdict.why; co_return Match::temperror;
    case SpfResult::none:
      problem_ = "it includes " + text::printable(domain, 100) + ", which has no SPF record";
      co_return Match::permerror;
    case SpfResult::permerror:
      problem_ = "it includes " + text::printable(domain, 100) + ": " + verdict.why;
      co_return Match::permerror;
  }
  co_return Match::unclear;
}

event::Task<SpfCheck::Match> SpfCheck::matches(const SpfTerm& term, const std::string& domain) {
  if (term.name == "all") co_return Match::yes;
  if (term.name == "ip4" || term.name == "ip6") {
    const auto base = IpAddress::parse(term.value);
    co_return base&& network_of(term, *base).contains(address_) ? Match::yes : Match::no;
  }
  const bool within_limits = spend();
  if (!within_limits) co_return Match::permerror;
  const std::string target = term.value.empty() ? domain : term.value;
  if (term.name == "ptr" || has_macro(target)) co_return Match::unclear;
  if (term.name == "include") co_return co_await includes(target);
  if (term.name == "mx") co_return co_await has_exchange(target, term);
  if (term.name == "a") co_return co_await has_address(target, term);
  const dns::AnswerPtr answer = co_await resolver_.query(target, dns::RrType::a);  // exists (§5.7)
  co_return answer->status == dns::Status::found ? Match::yes : nothing_there(*answer, target);
}

event::Task<SpfVerdict> SpfCheck::redirected(const std::vector<SpfTerm>& terms) {
  const auto redirect = std::find_if(terms.begin(), terms.end(), [](const SpfTerm& term) {
    return term.modifier && term.name == "redirect";
  });
  if (redirect == terms.end() && unclear_) co_return SpfVerdict(SpfResult::unclear, depends_on_message);
  if (redirect == terms.end()) co_return SpfVerdict(SpfResult::neutral, "no term says anything of it");
  const bool within_limits = spend();
  if (!within_limits) co_return SpfVerdict(SpfResult::permerror, problem_);
  if (has_macro(redirect->value)) co_return SpfVerdict(SpfResult::unclear, "'redirect' uses a macro");
  SpfVerdict verdict = co_await check(redirect->value);
  if (verdict.result == SpfResult::none)  // §6.1
    co_return SpfVerdict(SpfResult::permerror, "it redirects to " + text::printable(redirect->value, 100) +
                                                   ", which has no SPF record");
  co_return verdict;
}

event::Task<SpfVerdict> SpfCheck::check(std::string domain) {
  const dns::AnswerPtr answer = co_await resolver_.query_fresh(domain, dns::RrType::txt);
  if (answer->status == dns::Status::failed)
    co_return SpfVerdict(SpfResult::temperror,
                         "the lookup of " + text::printable(domain, 100) + " failed: " + answer->why);
  const std::vector<std::string> records = spf_records(answer->texts);
  if (records.empty()) co_return SpfVerdict(SpfResult::none, "no SPF record");
  if (records.size() > 1)
    co_return SpfVerdict(SpfResult::permerror, std::to_string(records.size()) +
                                                   " SPF records where exactly one may be (RFC 7208 §4.5)");
  const auto terms = parse_spf(records.front());
  if (!terms) co_return SpfVerdict(SpfResult::permerror, terms.error().detail);
  for (const SpfTerm& term : *terms) {
    if (term.modifier) continue;
    const Match match = co_await matches(term, domain);
    switch (match) {
      case Match::no: break;
      case Match::unclear: unclear_ = true; break;
      case Match::yes:
        if (unclear_ && result_of(term.qualifier) != SpfResult::pass)
          co_return SpfVerdict(SpfResult::unclear, depends_on_message);
        co_return SpfVerdict(result_of(term.qualifier), "by '" + text_of(term) + "'");
      case Match::temperror: co_return SpfVerdict(SpfResult::temperror, problem_);
      case Match::permerror: co_return SpfVerdict(SpfResult::permerror, problem_);
    }
  }
  co_return co_await redirected(*terms);
}

}  // namespace sealpost::publishing
