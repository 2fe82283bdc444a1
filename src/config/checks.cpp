// SPDX-License-Identifier: Apache-2.0
#include "config/checks.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.hpp"
#include "mail/address.hpp"

namespace sealpost::app {

namespace {

void look_at_file(TableReader& reader, std::string_view key, const std::string& path, Secret secret) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    reader.error(key, "cannot be read: " + path + ": " + std::strerror(errno));
  } else if (!S_ISREG(status.st_mode)) {
    reader.error(key, path + " is not a file");
  } else if (secret == Secret::yes && (status.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
    // A group that may read is how a distribution shares keys with services (root:ssl-cert 0640).
    reader.error(key, path + " is open to others; run: chmod o-rwx,g-w " + path);
  }
}

}  // namespace

std::string read_file_path(TableReader& reader, std::string_view key, Secret secret) {
  auto path = reader.string(key);
  if (!path) return {};
  look_at_file(reader, key, *path, secret);
  return std::move(*path);
}

std::vector<std::string> read_file_paths(TableReader& reader, std::string_view key) {
  auto paths = reader.one_or_more(key);
  if (!paths) return {};
  for (const std::string& path : *paths) look_at_file(reader, key, path, Secret::no);
  return std::move(*paths);
}

std::string read_words(TableReader& reader, std::string_view key) {
  const auto value = reader.string(key);
  if (!value) return {};
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (text::trim(*value).empty())
    reader.error(key, "is empty");
  else if (value->size() > 500)
    reader.error(key, "is longer than 500 characters");
  else if (!text::is_utf8(*value) || std::any_of(value->begin(), value->end(), is_control))
    reader.error(key, "has control characters; write one line of text");
  return *value;
}

std::optional<std::size_t> read_networks(TableReader& reader, std::string_view key,
                                         std::vector<Network>& into) {
  const auto texts = reader.strings(key);
  if (!texts) return std::nullopt;
  into.clear();
  for (const std::string& text : *texts) {
    if (const auto network = Network::parse(text)) {
      into.push_back(*network);
      continue;
    }
    reader.error(
        key,
        "'" + text + "' is not a network; write it as \"192.0.2.0/24\" or \"2001:db8::/32\", host bits zero");
  }
  return texts->size();
}

std::optional<std::string> read_domain(TableReader& reader, std::string_view key) {
  const auto text = reader.string(key);
  if (!text) return std::nullopt;
  auto name = to_a_labels(*text);
  if (name) return std::move(*name);
  reader.error(key, "'" + *text + "' is not a domain name: " + name.error().detail);
  return std::nullopt;
}

std::optional<std::string> read_mailbox(TableReader& reader, std::string_view key) {
  const auto text = reader.string(key);
  if (!text) return std::nullopt;
  auto mailbox = parse_mailbox(*text);
  if (mailbox) return std::move(*mailbox);
  reader.error(key, "'" + *text +
                        "' is not a mail address; write it as \"postmaster@example.net\", without name, "
                        "brackets or mailto:");
  return std::nullopt;
}

std::optional<Endpoint> read_endpoint(TableReader& reader, std::string_view key) {
  const auto text = reader.string(key);
  if (!text) return std::nullopt;
  const auto endpoint = Endpoint::parse(*text);
  if (endpoint && endpoint->port != 0) return endpoint;
  reader.error(key,
               "'" + *text + "' is not an address with port; write it as \"127.0.0.1:25\" or \"[::1]:25\"");
  return std::nullopt;
}

std::optional<std::chrono::seconds> read_at_least(TableReader& reader, std::string_view key,
                                                  std::chrono::seconds least) {
  const auto value = reader.duration(key);
  if (!value || *value >= least) return value;
  reader.error(key, "must be " + to_duration_text(least) + " or more");
  return std::nullopt;
}

}  // namespace sealpost::app
