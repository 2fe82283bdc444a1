// SPDX-License-Identifier: Apache-2.0
#include "smtp/xclient.hpp"

#include <charconv>
#include <utility>

#include "base/text.hpp"
#include "mail/xtext.hpp"
#include "smtp/command.hpp"

namespace sealpost::smtp {
namespace {

bool is_unknown(std::string_view value) noexcept {
  return text::iequals(value, "[UNAVAILABLE]") || text::iequals(value, "[TEMPUNAVAIL]");
}

bool read_port(std::string_view value, std::uint16_t& into) noexcept {
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), into);
  return error == std::errc() && end == value.data() + value.size();
}

// "192.0.2.7", "IPV6:2001:db8::7".
std::optional<IpAddress> read_address(std::string_view value) {
  constexpr std::string_view prefix = "IPV6:";
  if (text::istarts_with(value, prefix)) value.remove_prefix(prefix.size());
  return IpAddress::parse(value);
}

// False: it cannot be.
bool take(XclientCommand& command, std::string_view name, const std::string& value) {
  const bool unknown = is_unknown(value);
  if (text::iequals(name, "ADDR")) {
    if (std::exchange(command.names_client, true)) return false;  // which of the two?
    if (!unknown) command.address = read_address(value);
    return unknown || command.address;
  }
  if (text::iequals(name, "PORT")) return unknown || read_port(value, command.port);
  if (text::iequals(name, "PROTO"))
    return unknown || text::iequals(value, "SMTP") || text::iequals(value, "ESMTP");
  if (text::iequals(name, "NAME")) return true;
  if (!text::iequals(name, "HELO")) return false;
  if (unknown) return true;
  auto helo = helo_name(value, Syntax::lenient);
  if (helo) command.helo = std::move(*helo);
  return helo.has_value();
}

}  // namespace

Expected<XclientCommand, ServerReply> parse_xclient(std::string_view argument) {
  XclientCommand command;
  if (argument.empty()) return replies::bad_xclient;
  while (!argument.empty()) {
    const std::string_view word = argument.substr(0, argument.find(' '));
    argument = text::trim(argument.substr(word.size()), " ");
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) return replies::bad_xclient;
    const auto value = from_xtext(word.substr(equals + 1));
    if (!value || !take(command, word.substr(0, equals), *value)) return replies::bad_xclient;
  }
  return command;
}

}  // namespace sealpost::smtp
