// SPDX-License-Identifier: Apache-2.0
#include "ledger/payload.hpp"

#include <algorithm>
#include <charconv>

#include "base/text.hpp"

namespace sealpost::ledger {
namespace {

void append_number(std::string& out, std::int64_t value) {
  char digits[24];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), value);
  out.append(std::begin(digits), end.ptr);
}

bool in_address(char c) noexcept {
  const auto octet = static_cast<unsigned char>(c);
  return octet > ' ' && octet != 127 && std::string_view("<>()[],;:\"\\").find(c) == std::string_view::npos;
}

}  // namespace

Payload::Payload(std::string_view kind, SystemTime when) {
  json_.reserve(256);
  json_ += "{\"k\":\"";
  json_ += kind;
  json_ += "\",\"t\":";
  append_number(json_, when.time_since_epoch().count());
}

void Payload::key(std::string_view name) {
  json_ += ",\"";
  json_ += name;
  json_ += "\":";
}

Payload& Payload::text(std::string_view name, std::string_view value) {
  key(name);
  append_json(json_, value);
  return *this;
}

Payload& Payload::number(std::string_view name, std::int64_t value) {
  key(name);
  append_number(json_, value);
  return *this;
}

void append_json(std::string& out, std::string_view text) {
  constexpr const char* digits = "0123456789abcdef";
  const auto escape = [&](unsigned char octet) {
    out += "\\u00";
    out += digits[octet >> 4U];
    out += digits[octet & 15U];
  };
  out += '"';
  while (!text.empty()) {
    const auto octet = static_cast<unsigned char>(text.front());
    if (octet >= 0x80) {
      const text::Utf8Unit unit = text::decode_utf8(text);
      if (unit.well_formed)
        out.append(text.substr(0, unit.length));
      else
        escape(octet);
      text.remove_prefix(unit.length);
      continue;
    }
    if (octet == '"' || octet == '\\') {
      out += '\\';
      out += text.front();
    } else if (octet < 0x20 || octet == 0x7f) {
      escape(octet);
    } else {
      out += text.front();
    }
    text.remove_prefix(1);
  }
  out += '"';
}

std::string without_addresses(std::string_view reply, std::string_view recipient) {
  std::string out;
  std::size_t done = 0;
  for (std::size_t at = reply.find('@'); at != std::string_view::npos; at = reply.find('@', at)) {
    std::size_t begin = at;
    while (begin > done && in_address(reply[begin - 1])) --begin;
    std::size_t end = at + 1;
    while (end < reply.size() && in_address(reply[end])) ++end;
    while (end > at + 1 && reply[end - 1] == '.') --end;  // of the sentence
    out.append(reply.substr(done, begin - done));
    out += text::iequals(reply.substr(begin, end - begin), recipient) ? "{to}" : "{address}";
    done = at = end;
  }
  out.append(reply.substr(done));
  return out;
}

}  // namespace sealpost::ledger
