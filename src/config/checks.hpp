// SPDX-License-Identifier: Apache-2.0
//
// Values that several sections of the configuration have in common, each with the finding that says what would be
// right.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/toml_reader.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost::app {

enum class Secret : std::uint8_t { no, yes };

// The path of a file that is there; one that holds a key must be closed to others (T-51). Absent key: empty.
std::string read_file_path(TableReader& reader, std::string_view key, Secret secret);
// The same for one path or an array of them, none of which holds a key. Absent key: none.
std::vector<std::string> read_file_paths(TableReader& reader, std::string_view key);
// One line of text for people, such as a name or a reason. Absent key: empty.
std::string read_words(TableReader& reader, std::string_view key);
// Replaces `into` when the key is there; gives how many entries the file has, right or wrong.
std::optional<std::size_t> read_networks(TableReader& reader, std::string_view key,
                                         std::vector<Network>& into);
// A host or domain name as lower-case A-labels.
std::optional<std::string> read_domain(TableReader& reader, std::string_view key);
// local-part@domain.
std::optional<std::string> read_mailbox(TableReader& reader, std::string_view key);
// "127.0.0.1:25", "[::1]:25"; never port 0.
std::optional<Endpoint> read_endpoint(TableReader& reader, std::string_view key);
// A duration of `least` or more.
std::optional<std::chrono::seconds> read_at_least(TableReader& reader, std::string_view key,
                                                  std::chrono::seconds least);

}  // namespace sealpost::app
