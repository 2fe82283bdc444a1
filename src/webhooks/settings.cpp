// SPDX-License-Identifier: Apache-2.0
#include "webhooks/settings.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "mail/address.hpp"

namespace sealpost::webhooks {
namespace {

constexpr std::string_view secret_prefix = "whsec_";

bool holds(const std::vector<std::string>& list, std::string_view one) {
  return std::find(list.begin(), list.end(), one) != list.end();
}

Error no_url(const std::string& why) { return Error(Errc::invalid, why); }

// Host and port out of "host:port", "[::1]:8080".
Expected<void> read_authority(std::string_view authority, Url& url) {
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.rfind(':');
  const bool has_port =
      colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  if (has_port) {
    const auto port = text::parse_u64(authority.substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) return no_url("its port is none");
    url.port = static_cast<std::uint16_t>(*port);
  }
  const std::string_view host = has_port ? authority.substr(0, colon) : authority;
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  url.address = IpAddress::parse(bracketed ? host.substr(1, host.size() - 2) : host);
  if (url.address && bracketed == url.address->is_v4()) url.address.reset();
  if (url.address) {
    url.host = bracketed ? "[" + url.address->to_string() + "]" : url.address->to_string();
    return {};
  }
  const auto name = to_a_labels(host);
  if (!name) return no_url("its host is neither a name nor an address");
  url.host = *name;
  return {};
}

}  // namespace

bool is_known_kind(std::string_view kind) noexcept {
  return std::find(known_kinds.begin(), known_kinds.end(), kind) != known_kinds.end();
}

Expected<Url> parse_url(std::string_view text) {
  Url url;
  if (text::istarts_with(text, "https://")) {
    text.remove_prefix(8);
  } else if (text::istarts_with(text, "http://")) {
    url.tls = false;
    url.port = 80;
    text.remove_prefix(7);
  } else {
    return no_url("it begins with neither https:// nor http://");
  }
  const auto odd = [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f;
  };
  if (std::any_of(text.begin(), text.end(), odd)) return no_url("it holds what no URL does");
  const std::size_t end = std::min(text.find_first_of("/?#"), text.size());
  const std::string_view authority = text.substr(0, end), path = text.substr(end);
  if (authority.find('@') != std::string_view::npos)
    return no_url("it holds a user or password; events are signed instead");
  if (path.find('#') != std::string_view::npos) return no_url("it has a fragment, which no server is told");
  if (auto read = read_authority(authority, url); !read) return read.error();
  if (!path.empty()) url.path = (path.front() == '?' ? "/" : "") + std::string(path);
  if (url.tls && url.address) return no_url("https needs a name, which the certificate must bear");
  if (!url.tls && !url.address)
    return no_url("http, in clear, goes to an address only: write it, such as http://127.0.0.1:8080/");
  return url;
}

std::string to_text(const Url& url) {
  const std::uint16_t usual = url.tls ? 443 : 80;
  return (url.tls ? "https://" : "http://") + url.host +
         (url.port == usual ? "" : ":" + std::to_string(url.port)) + url.path;
}

Expected<Secrets> parse_secrets(std::string_view text) {
  Secrets secrets;
  std::size_t number = 0;
  for (std::string_view line : text::split(text, '\n')) {
    ++number;
    line = text::trim(line, " \t\r");
    if (line.empty()) continue;
    const auto wrong = [&](const std::string& what) {
      return Error(Errc::invalid, "line " + std::to_string(number) + " " + what);
    };
    if (!line.starts_with(secret_prefix)) return wrong("does not begin with whsec_");
    auto key = text::from_base64(line.substr(secret_prefix.size()));
    if (!key || key->size() < 24 || key->size() > 64)
      return wrong(
          "is not whsec_ and the base64 of 24 to 64 octets; make one with: echo whsec_$(openssl rand -base64 "
          "32)");
    secrets.keys.push_back(auth::Secret::taken_from(*key));
    if (secrets.keys.size() > 2)
      return wrong("is a third secret; one signs, and one before it does while both hold");
  }
  if (secrets.keys.empty())
    return Error(Errc::invalid, "holds no secret; make one with: echo whsec_$(openssl rand -base64 32)");
  return secrets;
}

bool Webhook::wants(std::string_view kind, std::string_view sender_domain, std::string_view account) const {
  if (kind == "gap") return true;
  if (!kinds.empty() && !holds(kinds, kind)) return false;
  if (sender_domains.empty() && accounts.empty()) return true;
  return holds(sender_domains, sender_domain) || (!account.empty() && holds(accounts, account));
}

}  // namespace sealpost::webhooks
