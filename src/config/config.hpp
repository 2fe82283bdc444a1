// SPDX-License-Identifier: Apache-2.0
//
// The configuration: TOML, read whole, checked whole, every error reported with file, line, key and what
// would be right. Nothing starts or changes on an error. docs/configuration.md lists every key; a check
// compares the two. This is the front of the room; in order:
//
//   1. whole_file.hpp    the text, read whole or not at all
//   2. toml_reader.hpp   typed values, and a finding for each that is wrong or that nobody knows
//   3. sections.hpp      section by section, with the values they have in common (checks.hpp)
//   4. resolving.hpp, own_addresses.hpp   what follows from what was read
//   5. changes.hpp       which changed keys wait for a restart
//
// The partner rules that it names are read by partner/load_config.hpp, which is what programs call.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/sasl_client.hpp"
#include "auth/token.hpp"
#include "auth/unlisted.hpp"
#include "config/changes.hpp"
#include "config/toml_reader.hpp"
#include "config/weaker_entry.hpp"
#include "config/web_config.hpp"
#include "delivery/context.hpp"
#include "dns/servers.hpp"
#include "sealpost/expected.hpp"
#include "sealpost/ip_address.hpp"
#include "sealpost/partner.hpp"
#include "smtp/data_decoder.hpp"
#include "smtp/service.hpp"
#include "tlsrpt/alerts/alerts.hpp"
#include "tlsrpt/counting/retention.hpp"
#include "tlsrpt/sending/sender.hpp"
#include "webhooks/settings.hpp"

namespace sealpost::app {

struct ListenerConfig {
  ListenerConfig();
  Endpoint address;
  smtp::Service mode = smtp::Service::relay;
  bool relays() const noexcept { return mode == smtp::Service::relay; }  // else it is for submission
  std::vector<Network> allow;     // who may relay; for submission, who may connect: anyone unless it is said
  std::vector<Network> proxies;   // who speaks for others, by the PROXY protocol
  std::vector<Network> xclients;  // and by XCLIENT
  bool address_literals = false;  // take mail to user@[192.0.2.1]
  bool honour_tls_required =
      false;                     // a client's "TLS-Required: No" sets aside what recipients publish (T-61)
  bool ask_certificate = false;  // ask clients for a certificate, once TLS begins
  std::vector<std::string> client_cas;  // files: whose certificates' names count
  bool hide_client = false;             // leave the client out of our Received field (T-49)
  bool smtputf8 = true;                 // offer SMTPUTF8
  smtp::BareNewline bare_newline = smtp::BareNewline::normalize;  // of clients that may relay
};

struct CertificateConfig {
  std::string certificate, key;  // files
  std::string ocsp_staple;       // likewise; "": none
  unsigned line = 0;             // of its [[tls.also]]; 0: that of [tls]
};

struct ClientConfig {              // [[client]]: whom a certificate stands for
  std::vector<std::string> names;  // "host.example.net", "*.example.net", "a@example.net", "@example.net"
  std::vector<std::string> fingerprints;  // SHA-256, lower-case hex without colons
  std::string user;                       // auth::prepared_name(); empty: the address in the certificate
  bool relay = false;
};

struct AuthConfig {  // [auth]: who besides users.db vouches for accounts
  auth::Unlisted unlisted;
  std::string dovecot;                       // the socket, as it is written; empty: none is asked
  std::string dovecot_path;                  // a socket in the file system, or
  std::optional<Endpoint> dovecot_endpoint;  // one of this machine's network
  std::chrono::seconds dovecot_timeout{20};
  std::shared_ptr<const auth::TokenRules>
      tokens;  // whose are taken, with the keys of its file; null: nobody's
};

struct RouteConfig {
  std::string domain;                            // "*", "*.example", "example.net"
  std::string relay;                             // as queue lanes name it: "host:port" or "[host]:port"
  std::string name;                              // unlike all others
  std::vector<std::string> senders;              // whose mail; none: everybody's
  std::vector<delivery::SmartHostChoice> hosts;  // [[route.host]]; none: the relay alone
  bool implicit_tls = false;                     // TLS from the first octet
  PartnerLevel level = PartnerLevel::opportunistic;
  std::string credentials;                             // the file; empty: nobody logs in
  std::shared_ptr<const auth::ClientAccount> account;  // what stands in it
  std::string file;
  unsigned line = 0;
  // More than another name for where to go: delivery knows it by its name.
  bool is_smart() const noexcept {
    return !hosts.empty() || implicit_tls || level != PartnerLevel::opportunistic || !credentials.empty();
  }
};

struct DnsConfig {
  std::vector<Endpoint> servers;  // empty: /etc/resolv.conf
  dns::TrustAd trust_ad = dns::TrustAd::loopback;
  std::string signed_name, broken_name;  // names for the self-test (T-10); empty: none
};

struct LimitsConfig {
  std::uint64_t message_size = 50u << 20;
  std::uint32_t recipients = 1000;
  std::uint32_t hops = 50;                      // Received fields before a message counts as looping (T-38)
  std::uint32_t sessions = 20'000;              // inbound, in all
  std::uint32_t sessions_per_address = 12'000;  // of one client that may relay: never all of them
  std::uint32_t sessions_per_stranger = 10;     // of one client that may not
  std::uint32_t stranger_share = 25;            // percent of `sessions` that all of these may have together
  std::uint32_t stranger_rate = 60;             // connections a minute from one of them
  std::uint32_t errors = 20;                    // refused commands before a session ends
  std::uint32_t minimum_rate = 512;             // octets a second of message data
  std::chrono::seconds command{300};            // for the next command
  std::chrono::seconds transaction{1800};       // MAIL to DATA
  std::chrono::seconds data_block{300};         // silence in message data
  std::chrono::seconds data{7200};              // all of a message's data
  std::chrono::seconds session{86'400};
  std::uint64_t body_memory = 256u << 20;  // bodies in transit, all sessions together
};

inline constexpr const char* default_report_path = "/tlsrpt";

struct TlsRptConfig {
  std::string organization;  // default: the domain of hostname
  std::string contact;       // addr-spec
  std::string from;
  bool send = false;
  bool enabled = true;  // count
  tlsrpt::RetentionSettings retention;
  std::uint64_t most_per_destination = 1000;  // reports of one day to one mail domain or https host (T-45)
  std::vector<tlsrpt::DomainWish> domains;    // [[tls_rpt.domain]]
  std::vector<std::string> receive;      // own addresses, lower case: mail to them holds reports of others
  std::optional<Endpoint> receive_http;  // where others bring reports over HTTPS; none: off
  std::string receive_url;               // under which they find it: https, with a path
};

struct EvidenceConfig {
  bool enabled = true;           // record judged sessions in evidence.db
  std::uint32_t keep_days = 90;  // UTC days before today's
};

struct LedgerConfig {
  bool enabled = true;              // what became of each recipient, in ledger.db
  std::uint32_t keep_days = 400;    // before the newest row's
  std::string addresses = "plain";  // plain | domain | hash: beside the rows, which have none
  std::string copy_heads_to;        // a file that sealed heads are appended to; empty: none
};

struct AlertsConfig {
  tlsrpt::AlertSettings settings;
  std::string mail;  // addr-spec; empty: none
  std::string from;  // default: postmaster@hostname
};

struct DkimKeyConfig {
  std::string domain, selector, key;
};

struct DkimConfig {
  std::string domain, selector, key;
  std::vector<DkimKeyConfig>
      also;  // [[dkim.also]]: further keys of this domain, and keys of other sender domains
  bool sign_relayed = false;
};

// Mail that comes by HTTP, on a listener of its own (docs/injection.md).
struct InjectionConfig {
  std::optional<Endpoint> http;  // none: off
};

struct LogConfig {
  std::string format = "text";  // text | json
  std::string level = "info";   // debug | info | warning | error
  std::string file;             // empty: standard error
};

struct Config {
  Config();
  std::string source;     // the file, or "(embedded defaults)"
  WrittenValues written;  // what stands in it
  std::string hostname;
  std::string
      postmaster;  // where mail to <postmaster> goes; empty: to postmaster@hostname, not from strangers
  std::string data_dir;
  std::vector<ListenerConfig> listeners;
  std::vector<ClientConfig> clients;
  AuthConfig auth;
  std::vector<CertificateConfig> certificates;  // of our listeners; the first is that of [tls]. None: no TLS
  std::string trust;
  TlsVersion minimum = TlsVersion::tls1_2;
  DnsConfig dns;
  delivery::NoticeSettings notices;
  delivery::Settings delivery;  // schedule, timeouts, destinations, hold_first_for_policy, mta_sts, dane
  std::chrono::seconds policy_fetch_limit{60};  // RFC 8461 §3.3; for a whole MTA-STS fetch (T-19)
  std::uint32_t connections_per_host = 250;
  std::vector<RouteConfig> routes;
  std::vector<delivery::TrafficLimit> traffic;  // [[limit]]
  TlsRptConfig tls_rpt;
  AlertsConfig alerts;
  EvidenceConfig evidence;
  LedgerConfig ledger;
  webhooks::Webhooks webhooks;        // [[webhook]]
  webhooks::Keeping webhook_keeping;  // [webhooks]
  std::optional<DkimConfig> dkim;
  std::string control_socket;
  std::optional<Endpoint> control_http;     // none: off
  std::vector<Network> control_http_allow;  // who may ask there besides loopback
  WebConfig web;                            // who may see its pages
  std::string policy_directory;             // empty: none
  std::vector<PartnerRule> partners;
  std::vector<WeakerEntry> weaker;  // of this file and of the partner files
  SourceFiles sources;              // all that was read: this file first, then the partner files
  LimitsConfig limits;
  InjectionConfig injection;
  LogConfig log;
  std::string user;                         // whom a relay started as root becomes; empty: it stays root
  bool sandbox = true;                      // the filter of system calls, and Landlock
  unsigned workers = 0;                     // 0: one per core
  std::chrono::seconds shutdown_grace{30};  // after the first SIGTERM; then what is open is cut (D-28)
  std::string node;                         // part of ids; default: hostname
};

struct LoadResult {
  Config config;  // usable when there is no error
  std::vector<Finding> findings;
  bool ok() const noexcept;
};

// The file alone; partner/load_config.hpp reads it with the partner rules that it names.
// `path` empty: the embedded defaults (listeners on 127.0.0.1:2525 and [::1]:2525, data in ./sealpost-data).
LoadResult read_config(const std::string& path);

// Every key that is understood, tables included: "delivery.timeouts.mail". What docs/configuration.md must list.
std::vector<std::string> known_keys();

}  // namespace sealpost::app
