// SPDX-License-Identifier: Apache-2.0
//
// One connection to one address of an MX host: greeting, EHLO, TLS, and what all that showed, ready to be judged. Used by
// delivery and by the probe, which must show a peer the same face, or a probe would prove nothing. It decides nothing:
// whoever calls says how to approach, and what follows when it did not go well.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "delivery/look.hpp"
#include "smtp/client_session.hpp"
#include "tls/tls_client.hpp"

namespace sealpost::delivery {

inline constexpr std::size_t endpoints_per_host = 4;  // addresses of one host that are tried
// "mx.example.org[192.0.2.1]:25", as logs and refusals name it.
inline std::string where(const std::string& host, const Endpoint& endpoint) {
  return host + "[" + endpoint.address.to_string() + "]:" + std::to_string(endpoint.port);
}

// How it is made. classical: TLS with a small first flight, for a peer that stalled on the usual one (T18).
enum class Manner : std::uint8_t { tls, classical, clear };

// The same for the pool: what a connection for this host under its decision offers.
Offer offer_of(const Plan& plan, const HostView& view);

// TLS from the first octet, as a smart host on 465 has it (RFC 8314 §3)?
bool speaks_tls_at_once(const Plan& plan) noexcept;
// How it is approached first.
Manner first_manner(const Plan& plan, const HostView& view) noexcept;

class Contact {
 public:
  enum class Tickets : std::uint8_t {
    used,
    refused
  };  // refused: a full handshake, whose certificates are seen
  // `plan` and `view` must outlive it.
  Contact(Context& context, const Plan& plan, const HostView& view, const Endpoint& endpoint, Manner manner,
          const smtp::ClientLimits& limits, Tickets tickets = Tickets::used);

  enum class Step : std::uint8_t {
    done,
    no_connection,  // why: error()
    stalled,      // in the handshake: not yet a failure, a connection in the classical manner may get through
    not_secured,  // a port that knows no clear text did not get through the handshake: failure()
    not_greeted,  // the greeting or EHLO was refused or did not come: failure()
  };
  // To the end of EHLO. A host that knows no EHLO and must encrypt is done, too: it offers no STARTTLS, and is judged so.
  event::Task<Step> greet();
  // Behind greet(): STARTTLS, where that is the manner and it is offered. A handshake that failed is done: a fact, and
  // handshake_failed().
  event::Task<Step> encrypt();

  const Error& error() const noexcept { return *error_; }
  const smtp::SessionError& failure() const noexcept { return *failure_; }
  bool handshake_failed() const noexcept { return handshake_failed_; }
  // What it showed so far.
  SessionFacts& facts() noexcept { return facts_; }
  // From greet() on, null without a connection.
  std::unique_ptr<smtp::ClientSession>& session() noexcept { return session_; }

 private:
  tls::ClientOptions options() const;
  bool stalls(const smtp::SessionError& error) const noexcept;

  Context& context_;
  const Plan& plan_;
  const HostView& view_;
  const Endpoint endpoint_;
  const Manner manner_;
  const smtp::ClientLimits limits_;
  const Tickets tickets_;
  const bool implicit_;
  std::unique_ptr<smtp::ClientSession> session_;
  SessionFacts facts_;
  std::optional<Error> error_;
  std::optional<smtp::SessionError> failure_;
  bool handshake_failed_ = false;
};

}  // namespace sealpost::delivery
