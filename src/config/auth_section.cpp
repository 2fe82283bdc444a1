// SPDX-License-Identifier: Apache-2.0
//
// [auth]: who vouches for accounts of submission besides users.db (docs/submission.md).
#include <algorithm>

#include "config/checks.hpp"
#include "config/sections.hpp"
#include "config/whole_file.hpp"

namespace sealpost::app {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t longest_socket_path = 107;  // sockaddr_un
constexpr std::string_view inet = "inet:";        // as Postfix writes it
constexpr auto least_timeout = 1s, longest_timeout = 60s;

void read_unlisted(TableReader& reader, auth::Unlisted& unlisted) {
  if (const auto may = reader.choice("unlisted", {"refused", "own_address", "anybody"})) {
    if (*may == "refused") unlisted.may = auth::Unlisted::May::nothing;
    if (*may == "anybody") unlisted.may = auth::Unlisted::May::anybody;
  }
  constexpr std::int64_t most = 1'000'000'000;
  if (const auto number = reader.integer("messages", 0, most))
    unlisted.limits.messages_per_hour = static_cast<std::uint32_t>(*number);
  if (const auto number = reader.integer("recipients", 0, most))
    unlisted.limits.recipients_per_hour = static_cast<std::uint32_t>(*number);
}

void read_socket(TableReader& reader, AuthConfig& config) {
  const auto written = reader.string("socket");
  if (!written) return;
  config.dovecot = *written;
  if (!written->starts_with(inet)) {
    config.dovecot_path = *written;
    if (written->empty() || written->front() != '/' || written->size() > longest_socket_path)
      reader.error("socket", "'" + *written +
                                 "' is no socket; write the path, as \"/run/dovecot/sealpost\", or "
                                 "\"inet:127.0.0.1:12345\"");
    return;
  }
  config.dovecot_endpoint = Endpoint::parse(written->substr(inet.size()));
  if (!config.dovecot_endpoint || config.dovecot_endpoint->port == 0) {
    reader.error("socket",
                 "'" + *written + "' names no address and port; write it as \"inet:127.0.0.1:12345\"");
  } else if (!config.dovecot_endpoint->address.is_loopback()) {
    reader.error("socket",
                 "'" + *written +
                     "' is another machine, and passwords never go there in clear: this protocol has no "
                     "TLS; let a tunnel with TLS listen on this machine");
  }
}

bool is_one_word(const std::string& text) {
  return !text.empty() && text.size() <= 1024 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

std::string read_word(TableReader& reader, std::string_view key, std::string otherwise) {
  auto word = reader.string(key);
  if (word && !is_one_word(*word)) reader.error(key, "must be 1 to 1024 printable characters without blanks");
  return std::move(word).value_or(std::move(otherwise));
}

std::shared_ptr<const auth::TokenKeys> read_token_keys(TableReader& reader) {
  const std::string path = read_file_path(reader, "keys", Secret::no);
  if (path.empty()) return nullptr;
  const auto whole = read_whole_file(path);
  if (!whole) {
    reader.error("keys", whole.error().detail);
    return nullptr;
  }
  auto keys = auth::TokenKeys::parse(whole->text);
  if (!keys) {
    reader.error("keys", path + ": " + keys.error().detail);
    return nullptr;
  }
  return std::make_shared<const auth::TokenKeys>(std::move(*keys));
}

void read_oauth(TableReader& reader, AuthConfig& config) {
  for (const std::string_view key : {"issuer", "audience", "keys"}) reader.required(key);
  auto rules = std::make_shared<auth::TokenRules>();
  rules->issuer = read_word(reader, "issuer", {});
  rules->audiences = reader.one_or_more("audience").value_or(std::vector<std::string>());
  if (reader.has("audience") && (rules->audiences.empty() ||
                                 !std::all_of(rules->audiences.begin(), rules->audiences.end(), is_one_word)))
    reader.error("audience", "must be one or several words: tokens for anybody else are not for us");
  rules->account_claim = read_word(reader, "account", rules->account_claim);
  rules->scope = read_word(reader, "scope", {});
  rules->keys = read_token_keys(reader);
  if (rules->keys) config.tokens = std::move(rules);
}

}  // namespace

void read_auth(TableReader& reader, Config& config) {
  AuthConfig& auth = config.auth;
  read_unlisted(reader, auth.unlisted);
  reader.table("dovecot", [&](TableReader& dovecot) {
    dovecot.required("socket");
    read_socket(dovecot, auth);
    if (const auto timeout = dovecot.duration("timeout")) {
      auth.dovecot_timeout = *timeout;
      if (*timeout < least_timeout || *timeout > longest_timeout)
        dovecot.error("timeout", "must be from 1s to 60s: so long an AUTH may take");
    }
  });
  bool oauth = false;
  reader.table("oauth", [&](TableReader& issuer) {
    oauth = true;
    read_oauth(issuer, auth);
  });
  const bool submission = std::any_of(config.listeners.begin(), config.listeners.end(),
                                      [](const ListenerConfig& listener) { return !listener.relays(); });
  if (auth.dovecot.empty() && !oauth) {
    for (const std::string_view key : {"unlisted", "messages", "recipients"})
      if (reader.has(key)) reader.warning(key, "says nothing while only users.db vouches for accounts");
  } else if (!submission) {
    reader.warning(oauth ? "oauth" : "dovecot",
                   "says nothing while no listener has mode = \"submission\" or \"submissions\"");
  }
}

}  // namespace sealpost::app
