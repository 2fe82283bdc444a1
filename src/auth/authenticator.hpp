// SPDX-License-Identifier: Apache-2.0
//
// Who is a client? SASL (RFC 4422) as SMTP asks for it (RFC 4954): the server session carries octets to and fro, an Exchange
// makes of them a user or a refusal. One Authenticator serves all sessions of all loops.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "event/loop.hpp"
#include "event/task.hpp"
#include "sealpost/ip_address.hpp"
#include "sealpost/requirement.hpp"

namespace sealpost::auth {

// What a mechanism may know of the connection.
struct Channel {
  Channel() = default;
  IpAddress client;
  std::optional<IpAddress> local;    // of ours, that it has connected to
  bool encrypted = false;            // without it no mechanism is offered (T-05)
  std::string tls_exporter;          // 32 octets, RFC 9266; empty: not to be had
  std::string tls_server_end_point;  // hash of our certificate, RFC 5929 §4; empty: not to be had
  std::string certified_user;        // the account that the client's certificate stands for; empty: none
};

// Who a client has proven to be, and what that allows. Read by many sessions, never changed.
struct Account {
  Account() = default;
  std::string name;
  std::vector<std::string> senders;       // "a@b.example", "@b.example"; empty: any address
  std::uint32_t recipients_per_hour = 0;  // 0: no limit
  std::uint32_t messages_per_hour = 0;
  TlsNeed tls = TlsNeed::none;  // of hosts that its mail goes to
  std::string stamp;  // of password, senders and TLS: with another one, this account is as it no longer is
};
using AccountPtr = std::shared_ptr<const Account>;

struct Step {
  enum class Kind : std::uint8_t {
    challenge,    // say `text` and hear what comes
    accepted,     // `account`; `text`, when there is one, is the server's last word in a challenge of its own
    refused,      // wrong name or password, or an account that is disabled: 535 5.7.8, one text for all
    malformed,    // not what the mechanism wants to hear: 501 5.5.2
    unavailable,  // the accounts cannot be read now: 454 4.7.0
    too_many,     // this client or this name has failed too often: 454 4.7.0, and the connection ends
  };
  Kind kind = Kind::refused;
  std::string text;  // before base64
  AccountPtr account;
  std::string why;   // for our log, never for the client, and never what it sent as password
  std::string name;  // the name that was claimed, printable, for our log; empty: none so far
};

// One attempt. Destroying it gives it up (the client said `*`).
class Exchange {
 public:
  virtual ~Exchange() = default;
  // The client's next message, decoded from base64; the first may be missing, which is another thing than empty.
  // Slow work (a password hash) runs off the loop.
  virtual event::Task<Step> step(std::string message) = 0;
  // Does it begin with the client's message? Then one without an initial response is asked for it by an empty challenge.
  virtual bool client_first() const noexcept = 0;
};

class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // As EHLO lists them, best first; empty over a channel that is not encrypted.
  virtual std::vector<std::string_view> mechanisms(const Channel& channel) const = 0;
  // `mechanism` in capitals. Null: there is none of that name for this channel.
  virtual std::unique_ptr<Exchange> begin(event::Loop& loop, std::string_view mechanism,
                                          const Channel& channel) = 0;
  // What an account may still send this hour: true takes it off its allowance. False also when it is no longer what it was
  // at its login: disabled, gone, with another password or other senders. Any thread.
  virtual bool take_message(const Account& account, std::uint32_t recipients) = 0;
};

}  // namespace sealpost::auth
