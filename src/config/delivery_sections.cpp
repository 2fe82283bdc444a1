// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/text.hpp"
#include "config/checks.hpp"
#include "config/sections.hpp"
#include "mail/address.hpp"

namespace sealpost::app {
namespace {

using namespace std::chrono_literals;

// RFC 5321 §4.5.3.2 names the least that a client should wait. Less is allowed and warned about: a final dot that is
// given up on too soon has often been delivered, and is delivered again.
void read_timeouts(TableReader& reader, smtp::ClientLimits& limits) {
  const auto read = [&](std::string_view key, Duration& into, std::chrono::seconds usual) {
    const auto value = read_at_least(reader, key, 1s);
    if (!value) return;
    into = *value;
    if (*value < usual)
      reader.warning(key,
                     "is shorter than the " + to_duration_text(usual) + " that RFC 5321 4.5.3.2 asks for");
  };
  read("connect", limits.connect, 1s);
  read("greeting", limits.greeting, 5min);
  read("ehlo", limits.ehlo, 1s);
  read("starttls", limits.starttls, 1s);
  read("mail", limits.mail, 5min);
  read("rcpt", limits.rcpt, 5min);
  read("data", limits.data, 2min);
  read("body", limits.body, 3min);
  read("final", limits.final_dot, 10min);
}

void read_schedule(TableReader& reader, queue::Schedule& into) {
  queue::ScheduleSettings schedule;
  if (const auto retry = reader.durations("retry")) {
    const bool too_short = std::any_of(retry->begin(), retry->end(), [](auto gap) { return gap < 1s; });
    if (retry->empty() || too_short)
      reader.error("retry", "needs at least one gap, each of 1s or more");
    else
      schedule.retry = *retry;
  }
  if (const auto value = read_at_least(reader, "lifetime", 60s)) schedule.lifetime = *value;
  if (const auto value = reader.duration("delay_notice")) schedule.delay_notice = *value;
  if (schedule.lifetime < schedule.retry.front())
    reader.error("lifetime", "ends before the first retry; it must be longer than retry's first gap");
  else if (schedule.delay_notice >= schedule.lifetime)
    reader.warning("delay_notice", "is not before the end of lifetime: no delay notice will be sent");
  into = queue::Schedule(std::move(schedule));
}

}  // namespace

void read_dns(TableReader& reader, DnsConfig& config) {
  if (const auto servers = reader.strings("servers")) {
    for (const std::string& text : *servers) {
      if (const auto server = dns::parse_server(text))
        config.servers.push_back(*server);
      else
        reader.error("servers", "'" + text +
                                    "' is not an address; write it as \"127.0.0.1\", \"127.0.0.1:5353\" or "
                                    "\"[::1]:5353\"");
    }
  }
  if (const auto trust = reader.choice("trust_ad", {"loopback", "always", "never"}))
    config.trust_ad = *dns::parse_trust_ad(*trust);
  if (const auto name = read_domain(reader, "signed_name")) config.signed_name = *name;
  if (const auto name = read_domain(reader, "broken_name")) config.broken_name = *name;
  if (config.signed_name.empty() != config.broken_name.empty())
    reader.error(config.signed_name.empty() ? "broken_name" : "signed_name",
                 "signed_name and broken_name belong together");
}

void read_delivery(TableReader& reader, Config& config) {
  delivery::Settings& settings = config.delivery;
  read_schedule(reader, settings.schedule);
  if (const auto value = reader.duration("hold_first_for_policy")) settings.hold_first_for_policy = *value;
  if (const auto value = reader.integer("connections_per_host", 1, 10'000))
    config.connections_per_host = static_cast<std::uint32_t>(*value);
  if (const auto value = reader.integer("messages_per_connection", 1, 1'000'000))
    settings.messages_per_connection = static_cast<std::uint32_t>(*value);
  if (const auto value = reader.integer("recipients_per_transaction", 1, 1000))
    settings.recipients_per_transaction = static_cast<std::uint32_t>(*value);
  if (const auto value = reader.duration("idle_connection")) settings.idle_connection = *value;
  if (const auto value = reader.boolean("ipv4")) settings.routing.ipv4 = *value;
  if (const auto value = reader.boolean("ipv6")) settings.routing.ipv6 = *value;
  if (!settings.routing.ipv4 && !settings.routing.ipv6)
    reader.error("ipv6", "ipv4 and ipv6 cannot both be off");
  reader.table("timeouts", [&](TableReader& timeouts) { read_timeouts(timeouts, settings.limits); });
  read_networks(reader, "allow_destinations", settings.routing.allow_destinations);
  if (const auto value = reader.boolean("mx_address_literals")) settings.routing.mx_address_literals = *value;
  if (const auto value = reader.choice("signed_eight_bit", {"send", "convert", "bounce"}))
    settings.signed_eight_bit = *value == "send"      ? delivery::SignedEightBit::send
                                : *value == "convert" ? delivery::SignedEightBit::convert
                                                      : delivery::SignedEightBit::bounce;
  if (const auto value = reader.choice("chunking", {"needed", "offered", "never"}))
    settings.chunking = *value == "needed"    ? delivery::Chunking::needed
                        : *value == "offered" ? delivery::Chunking::offered
                                              : delivery::Chunking::never;
}

void read_notifications(TableReader& reader, delivery::NoticeSettings& notices) {
  if (const auto value = reader.integer("per_sender", 1, 1'000'000))
    notices.per_sender = static_cast<std::uint32_t>(*value);
  if (const auto value = reader.integer("in_all", 1, 10'000'000))
    notices.in_all = static_cast<std::uint32_t>(*value);
  if (const auto value = read_at_least(reader, "gather", 1s)) notices.gather = *value;
  if (const auto value = read_at_least(reader, "again", 1s)) notices.again = *value;
  if (const auto value = read_at_least(reader, "keep_held", 60s)) notices.keep_held = *value;
  if (const auto value = reader.integer("most_held", 0, 1'000'000))
    notices.most_held = static_cast<std::uint32_t>(*value);
}

void read_host(TableReader& reader, Config& config) {
  delivery::IgnoredKeywords entry;
  reader.required("name");
  reader.required("ignore_keywords");
  if (const auto name = reader.string("name")) {
    const bool pattern = name->starts_with("*.");
    const auto host = to_a_labels(pattern ? std::string_view(*name).substr(2) : std::string_view(*name));
    if (host)
      entry.host = (pattern ? "*." : "") + *host;
    else
      reader.error("name", "'" + *name + "' is no host; write it as \"mx.example.net\" or \"*.example.net\"");
  }
  if (const auto words = reader.strings("ignore_keywords")) {
    for (const std::string& word : *words) {
      if (text::iequals(word, "STARTTLS") || text::iequals(word, "REQUIRETLS"))
        reader.error("ignore_keywords",
                     "'" + word +
                         "' cannot be ignored: mail would go out in clear; a partner rule with "
                         "tls = \"none\" says that on purpose");
      entry.keywords.push_back(word);
    }
  }
  config.delivery.ignored_keywords.push_back(std::move(entry));
}

}  // namespace sealpost::app
