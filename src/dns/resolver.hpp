// SPDX-License-Identifier: Apache-2.0
//
// Resolver: DNS answers with their DNSSEC state. Behind it: c-ares and a cache (ares_resolver), or a table in
// tests and simulation. Absent is not failed, and insecure is not failed: three-way throughout (RFC 7672
// §2.1.1).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event/task.hpp"
#include "sealpost/clock.hpp"
#include "sealpost/ip_address.hpp"
#include "sealpost/tlsa.hpp"

namespace sealpost::dns {

enum class RrType : std::uint16_t { a = 1, cname = 5, soa = 6, mx = 15, txt = 16, aaaa = 28, tlsa = 52 };
std::string_view name_of(RrType type) noexcept;

enum class Status : std::uint8_t {
  found,     // records of the asked type are there
  no_data,   // the name exists, the type does not
  nxdomain,  // the name does not exist
  failed,    // SERVFAIL, REFUSED, timeout, malformed, bogus: nothing is known. `why` says which
};
// secure: AD from a resolver we trust; also for absence.
enum class Dnssec : std::uint8_t { insecure, secure };

struct Mx {
  std::uint16_t preference = 0;
  std::string exchange;  // lower-case A-labels, no trailing dot; "" is the null MX (RFC 7505)
};

// One alias step of the answer, in order. Names as in Mx::exchange.
struct Alias {
  std::string owner;
  std::string target;
};

struct Answer {
  Status status = Status::failed;
  Dnssec dnssec = Dnssec::insecure;
  std::uint8_t rcode = 2;
  std::uint8_t questions = 1;  // put to a server for it: more when aliases had to be followed here
  std::uint32_t ttl = 0;       // seconds the whole answer was good for when it came, already capped
  SteadyTime expires{};        // when that ends; what a resolver with a cache gives is not yet expired
  std::string why;             // for failed: what to log, no remote bytes unescaped
  // CNAMEs followed, empty when the name is no alias; asked for a CNAME: that one.
  std::vector<Alias> aliases;
  std::string canonical;  // the name the records belong to (the asked name without aliases)
  std::vector<Mx> mx;     // at most one of these vectors is filled, by the asked type
  std::vector<IpAddress> addresses;
  std::vector<std::string> texts;  // strings of a record joined
  std::vector<TlsaRecord> tlsa;
};
using AnswerPtr = std::shared_ptr<const Answer>;

// What TLSA discovery is to do. `defer`: every host counts as failed, for no answer about it can be believed;
// being cut off from DNSSEC must never look like a world without it.
enum class DaneMode : std::uint8_t { off, on, defer };

class Resolver {
 public:
  virtual ~Resolver() = default;
  // Never null. `name`: any case, optional trailing dot, A-labels; what is no domain name gives
  // Status::failed.
  virtual event::Task<AnswerPtr> query(std::string name, RrType type) = 0;
  // As query(), but what is cached counts only while it is seconds old: for what must be looked at again now,
  // such as the MTA-STS record after a policy failure (T-15).
  virtual event::Task<AnswerPtr> query_fresh(std::string name, RrType type) {
    return query(std::move(name), type);
  }
  // The answer will be asked for soon: start looking for it. Nothing is reported.
  virtual void prefetch(std::string_view /*name*/, RrType /*type*/) {}
  // What the DNSSEC state of answers is worth at present (T-10); DnssecWatch finds it out.
  virtual DaneMode dane_mode() const noexcept { return DaneMode::on; }
  virtual std::string dane_why() const { return {}; }  // for people, when it is not on
};

}  // namespace sealpost::dns
