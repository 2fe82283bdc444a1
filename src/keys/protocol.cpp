// SPDX-License-Identifier: Apache-2.0
#include "keys/protocol.hpp"

#include <cstring>

namespace sealpost::keys {
namespace {

void put_u32(std::string& out, std::uint32_t value) {
  char octets[sizeof value];
  std::memcpy(octets, &value, sizeof value);
  out.append(octets, sizeof value);
}

std::uint32_t take_u32(std::string_view& in) noexcept {
  std::uint32_t value = 0;
  std::memcpy(&value, in.data(), sizeof value);
  in.remove_prefix(sizeof value);
  return value;
}

}  // namespace

std::string encode(const Request& request) {
  std::string packet(1, static_cast<char>(request.operation));
  put_u32(packet, request.key);
  packet += static_cast<char>(request.padding);
  return packet += request.payload;
}

std::optional<Request> decode_request(std::string_view packet) {
  if (packet.size() < 6 ||
      static_cast<std::uint8_t>(packet[0]) > static_cast<std::uint8_t>(Operation::release))
    return std::nullopt;
  Request request;
  request.operation = static_cast<Operation>(packet[0]);
  packet.remove_prefix(1);
  request.key = take_u32(packet);
  request.padding = static_cast<std::uint8_t>(packet[0]);
  request.payload = packet.substr(1);
  const bool loads = request.operation <= Operation::load_for_tls;
  if (request.payload.size() > (loads ? largest_path : largest_input)) return std::nullopt;
  return request;
}

std::string encode(const Answer& answer) {
  return std::string(1, static_cast<char>(answer.outcome)) + answer.payload;
}

std::optional<Answer> decode_answer(std::string_view packet) {
  if (packet.empty() || static_cast<std::uint8_t>(packet[0]) > static_cast<std::uint8_t>(Outcome::refused))
    return std::nullopt;
  Answer answer;
  answer.outcome = static_cast<Outcome>(packet[0]);
  answer.payload = packet.substr(1);
  return answer;
}

std::string encode(const Loaded& loaded) {
  std::string payload;
  put_u32(payload, loaded.key);
  put_u32(payload, static_cast<std::uint32_t>(loaded.public_key.size()));
  return payload + loaded.public_key + loaded.private_key;
}

std::optional<Loaded> decode_loaded(std::string_view payload) {
  if (payload.size() < 8) return std::nullopt;
  Loaded loaded;
  loaded.key = take_u32(payload);
  const std::uint32_t size = take_u32(payload);
  if (size > payload.size()) return std::nullopt;
  loaded.public_key = payload.substr(0, size);
  loaded.private_key = payload.substr(size);
  return loaded;
}

}  // namespace sealpost::keys
