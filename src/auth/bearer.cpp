// SPDX-License-Identifier: Apache-2.0
#include "auth/bearer.hpp"

#include <algorithm>
#include <optional>

#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace sealpost::auth {
namespace {

constexpr char between = '\001';  // kvsep
constexpr std::string_view scheme = "Bearer ";
constexpr std::size_t most_pairs = 16;

Error unheard(const char* why) { return Error(Errc::invalid, why); }

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// b64token of RFC 6750 §2.1.
bool is_token(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') ||
           std::string_view("-._~+/").find(c) != std::string_view::npos;
  });
}

// saslname of RFC 5801 §4: "=2C" and "=3D" for comma and equals sign.
std::optional<std::string> sasl_name(std::string_view text) {
  std::string name;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      name += text[i];
      continue;
    }
    const std::string_view code = text.substr(i, 3);
    if (code != "=2C" && code != "=3D") return std::nullopt;
    name += code == "=2C" ? ',' : '=';
    i += 2;
  }
  if (name.empty() || !text::is_utf8(name) || name.find('\0') != name.npos) return std::nullopt;
  return name;
}

std::optional<Secret> token_of(std::string_view value) {
  if (!text::istarts_with(value, scheme)) return std::nullopt;
  value.remove_prefix(scheme.size());
  while (value.starts_with(' ')) value.remove_prefix(1);
  if (!is_token(value)) return std::nullopt;
  return Secret(value);
}

// Takes the GS2 header off the front (RFC 5801 §4); nothing: it is none that this mechanism has.
std::optional<std::string> take_header(std::string_view& message) {
  if (!message.starts_with("n,") && !message.starts_with("y,")) return std::nullopt;
  message.remove_prefix(2);
  const std::size_t comma = message.find(',');
  if (comma == message.npos) return std::nullopt;
  const std::string_view field = message.substr(0, comma);
  message.remove_prefix(comma + 1);
  if (field.empty()) return std::string();
  if (!field.starts_with("a=")) return std::nullopt;
  return sasl_name(field.substr(2));
}

}  // namespace

Expected<BearerMessage> parse_oauthbearer(std::string_view message) {
  auto name = take_header(message);
  if (!name) return unheard("OAUTHBEARER does not begin with a GS2 header without a binding");
  if (message.size() < 2 || message.front() != between || !message.ends_with(between))
    return unheard("OAUTHBEARER does not separate what it says");
  message.remove_prefix(1);
  BearerMessage heard;
  heard.authorization = std::move(*name);
  // Each pair ends in a separator, and one more ends them all.
  for (std::size_t pairs = 0; message.front() != between; ++pairs) {
    const std::size_t end = message.find(between), equals = message.find('=');
    if (pairs == most_pairs || equals == message.npos || equals == 0 || equals > end ||
        end + 1 >= message.size())
      return unheard("OAUTHBEARER says what is no pair of name and value");
    const std::string_view key = message.substr(0, equals),
                           value = message.substr(equals + 1, end - equals - 1);
    if (!std::all_of(key.begin(), key.end(), is_letter))
      return unheard("OAUTHBEARER has a name that is none");
    message.remove_prefix(end + 1);
    if (key != "auth") continue;  // host and port tell what the client meant to reach, which TLS has shown it
    auto token = token_of(value);
    if (!token || !heard.token.empty()) return unheard("OAUTHBEARER has no bearer token, or two");
    heard.token = std::move(*token);
  }
  if (message.size() != 1) return unheard("OAUTHBEARER goes on behind its end");
  if (heard.token.empty()) return unheard("OAUTHBEARER has no bearer token in it");
  return heard;
}

Expected<BearerMessage> parse_xoauth2(std::string_view message) {
  constexpr std::string_view user = "user=", auth = "auth=";
  const std::size_t end = message.find(between);
  if (!message.starts_with(user) || end == message.npos) return unheard("XOAUTH2 does not begin with a user");
  BearerMessage heard;
  heard.authorization = message.substr(user.size(), end - user.size());
  message.remove_prefix(end + 1);
  if (heard.authorization.empty() || !text::is_utf8(heard.authorization) ||
      heard.authorization.find('\0') != std::string::npos)
    return unheard("XOAUTH2 has a user that is none");
  if (!message.starts_with(auth) || !message.ends_with("\001\001"))
    return unheard("XOAUTH2 has no bearer token, or no end");
  message.remove_prefix(auth.size());
  message.remove_suffix(2);
  auto token = token_of(message);
  if (!token) return unheard("XOAUTH2 has no bearer token in it");
  heard.token = std::move(*token);
  return heard;
}

std::string bearer_failure(TokenFault fault, const std::string& scope) {
  nlohmann::json said;
  said["status"] = fault == TokenFault::insufficient ? "insufficient_scope" : "invalid_token";
  said["schemes"] = "bearer";
  if (!scope.empty()) said["scope"] = scope;
  return said.dump();
}

}  // namespace sealpost::auth
