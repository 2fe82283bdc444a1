// SPDX-License-Identifier: Apache-2.0
//
// SPF (RFC 7208): may mail of a domain come from an address? As a receiver would find it, but for what depends on a single
// message (macros, ptr), which is not guessed. For looking at records of an operator's own domain; mail is not judged by it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dns/resolver.hpp"
#include "event/task.hpp"
#include "sealpost/expected.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost::publishing {

struct SpfTerm {
  SpfTerm() = default;
  char qualifier = '+';  // + - ~ ?
  std::string name;   // lower case: all include a mx ptr ip4 ip6 exists; or a modifier: redirect, exp, others
  std::string value;  // domain, or address; empty: the domain itself
  bool modifier = false;
  unsigned v4_bits = 32, v6_bits = 128;
};

// The texts that are SPF records among those at a domain, by their version (RFC 7208 §4.5).
std::vector<std::string> spf_records(const std::vector<std::string>& texts);
// RFC 7208 §4.6, §12. Errc::invalid names the term, printable.
Expected<std::vector<SpfTerm>> parse_spf(std::string_view record);

enum class SpfResult : std::uint8_t {
  pass,
  fail,
  softfail,
  neutral,
  none,       // no record
  temperror,  // DNS did not answer
  permerror,  // receivers cannot read it
  unclear,    // depends on a message: no term let the address through, and one could not be evaluated
};
std::string_view name_of(SpfResult result) noexcept;

struct SpfVerdict {
  SpfVerdict() = default;
  SpfVerdict(SpfResult result_, std::string why_) : result(result_), why(std::move(why_)) {}
  SpfResult result = SpfResult::none;
  std::string why;  // for people, printable: the term that decided, or what is wrong
};

// RFC 7208 §4: with its limits of 10 questions by terms, 2 of them without an answer, and 10 hosts of an `mx` (§4.6.4).
class SpfCheck {
 public:
  SpfCheck(dns::Resolver& resolver, IpAddress address) : resolver_(resolver), address_(address) {}
  event::Task<SpfVerdict> check(std::string domain);

 private:
  enum class Match : std::uint8_t { no, yes, unclear, temperror, permerror };
  event::Task<Match> matches(const SpfTerm& term, const std::string& domain);
  event::Task<Match> includes(const std::string& domain);
  event::Task<Match> has_address(std::string host, const SpfTerm& term);
  event::Task<Match> has_exchange(std::string host, const SpfTerm& term);
  event::Task<SpfVerdict> redirected(const std::vector<SpfTerm>& terms);
  bool spend();
  Match nothing_there(const dns::Answer& answer, const std::string& asked);

  dns::Resolver& resolver_;
  const IpAddress address_;
  unsigned asked_ = 0, empty_ = 0;
  bool unclear_ = false;
  std::string problem_;
};

}  // namespace sealpost::publishing
