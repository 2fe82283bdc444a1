// SPDX-License-Identifier: Apache-2.0
//
// The sections of the configuration file, one reader each. Inner header of config.cpp.
#pragma once

#include "config/config.hpp"
#include "config/toml_reader.hpp"

namespace sealpost::app {

// Taking mail in: intake_sections.cpp.
void read_listener(TableReader& reader, Config& config);
void read_tls(TableReader& reader, Config& config);
void read_client(TableReader& reader, Config& config);     // client_section.cpp, after the listeners
void read_auth(TableReader& reader, Config& config);       // auth_section.cpp, likewise
void read_injection(TableReader& reader, Config& config);  // after all that has a listener
void read_limits(TableReader& reader, LimitsConfig& limits);
void read_notifications(TableReader& reader, delivery::NoticeSettings& notices);

// Sending it out: delivery_sections.cpp.
void read_dns(TableReader& reader, DnsConfig& config);
void read_delivery(TableReader& reader, Config& config);
void read_host(TableReader& reader, Config& config);

// route_section.cpp.
void read_route(TableReader& reader, Config& config);

// web_section.cpp; `control`: [control], after its address was read.
void read_web(TableReader& control, Config& config);

// traffic_section.cpp.
void read_traffic_limit(TableReader& reader, std::vector<delivery::TrafficLimit>& limits);

// webhook_section.cpp.
void read_webhooks(TableReader& reader, webhooks::Keeping& keeping);
void read_webhook(TableReader& reader, webhooks::Webhooks& webhooks);

// dkim_section.cpp.
void read_dkim(TableReader& reader, Config& config);

}  // namespace sealpost::app
