// SPDX-License-Identifier: Apache-2.0
//
// Small texts: what is read and written is read again as the same; a log line is one line of ASCII whatever is in it
// (T-48), and its JSON form is JSON.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "base/log.hpp"
#include "base/text.hpp"
#include "mail/message_id.hpp"
#include "require.hpp"
#include "sealpost/clock.hpp"
#include "sealpost/ip_address.hpp"

namespace {

using namespace sealpost;

bool is_one_ascii_line(std::string_view line) {
  for (const char c : line)
    if (c < 0x20 || c > 0x7e) return false;
  return true;
}

void check_log(std::string_view value) {
  const auto line = log::format_line(log::Format::text, "event", {{"value", value}, {"n", 1}});
  require(is_one_ascii_line(line) && line.starts_with("event value=") && line.ends_with(" n=1"));
  const auto json = log::format_line(log::Format::json, "event", {{"value", value}});
  require(is_one_ascii_line(json));
  const auto parsed = nlohmann::json::parse(json, nullptr, false);
  require(parsed.is_object() && parsed.size() == 2 && parsed["value"].is_string());
  if (text::is_utf8(value) && value.size() <= 2048) require(parsed["value"].get<std::string>() == value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto address = IpAddress::parse(text))
    require(IpAddress::parse(address->to_string()) == *address);
  if (const auto network = Network::parse(text)) require(Network::parse(network->to_string()) == *network);
  if (const auto endpoint = Endpoint::parse(text))
    require(Endpoint::parse(endpoint->to_string()) == *endpoint);
  if (const auto duration = parse_duration(text))
    require(parse_duration(to_duration_text(*duration)) == *duration);
  if (const auto time = from_rfc3339(text)) {
    const auto whole = std::chrono::floor<std::chrono::seconds>(*time);
    if (whole >= SystemTime(std::chrono::sys_days(std::chrono::year(0) / 1 / 1)) &&
        whole < SystemTime(std::chrono::sys_days(std::chrono::year(10000) / 1 / 1)))
      require(from_rfc3339(to_rfc3339(*time)) == whole);
  }
  if (const auto id = MessageId::parse(text)) require(text::iequals(id->to_string(), text));
  if (const auto bytes = text::from_base64(text)) require(text::base64(*bytes) == text);
  if (const auto bytes = text::from_hex(text)) require(text::hex(*bytes) == text::lower(text));
  for (const std::size_t most : {0U, 1U, 3U, 10U, 512U}) require(text::printable(text, most).size() <= most);
  check_log(text);
  return 0;
}
