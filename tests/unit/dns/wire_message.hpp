// SPDX-License-Identifier: Apache-2.0
//
// Builds DNS messages for tests, good and bad ones. Names are written without compression unless asked for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dns/resolver.hpp"

namespace sealpost::dns::test {

using Octets = std::vector<std::uint8_t>;

inline Octets octets(std::string_view text) { return Octets(text.begin(), text.end()); }

inline Octets wire_name(std::string_view name) {
  Octets out;
  while (!name.empty()) {
    const auto dot = name.find('.');
    const auto label = name.substr(0, dot);
    out.push_back(static_cast<std::uint8_t>(label.size()));
    out.insert(out.end(), label.begin(), label.end());
    name = dot == std::string_view::npos ? std::string_view{} : name.substr(dot + 1);
  }
  out.push_back(0);
  return out;
}

inline Octets be16(unsigned value) {
  return {static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)};
}

inline Octets join(std::initializer_list<Octets> parts) {
  Octets out;
  for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

inline Octets mx_data(unsigned preference, std::string_view exchange) {
  return join({be16(preference), wire_name(exchange)});
}
inline Octets text_data(std::initializer_list<std::string_view> strings) {
  Octets out;
  for (const auto part : strings) {
    out.push_back(static_cast<std::uint8_t>(part.size()));
    out.insert(out.end(), part.begin(), part.end());
  }
  return out;
}
inline Octets soa_data(unsigned minimum) {
  return join(
      {wire_name("ns.test"), wire_name("root.test"), Octets(16, 0), be16(minimum >> 16), be16(minimum)});
}

constexpr unsigned ns_type = 2, soa_type = 6, opt_type = 41;
enum class In : std::uint8_t { answer, authority, additional };

class Message {
 public:
  static constexpr unsigned response = 0x8180;  // QR RD RA
  static constexpr unsigned ad = 0x0020, tc = 0x0200;

  Message(std::string_view name, RrType type, unsigned flags = response) {
    out_ = join({be16(0x1234), be16(flags), be16(1), be16(0), be16(0), be16(0), wire_name(name),
                 be16(static_cast<unsigned>(type)), be16(1)});
  }
  Message& record(In section, const Octets& owner, unsigned type, unsigned ttl, const Octets& data,
                  unsigned klass = 1) {
    const std::size_t count = 7 + 2 * static_cast<std::size_t>(section);
    if (++out_[count] == 0) ++out_[count - 1];
    out_ = join({out_, owner, be16(type), be16(klass), be16(ttl >> 16), be16(ttl),
                 be16(static_cast<unsigned>(data.size())), data});
    return *this;
  }
  Message& answer(std::string_view owner, RrType type, unsigned ttl, const Octets& data) {
    return record(In::answer, wire_name(owner), static_cast<unsigned>(type), ttl, data);
  }
  Message& alias(std::string_view owner, std::string_view target, unsigned ttl = 300) {
    return answer(owner, RrType::cname, ttl, wire_name(target));
  }
  Message& soa(unsigned ttl, unsigned minimum) {
    return record(In::authority, wire_name("test"), soa_type, ttl, soa_data(minimum));
  }
  const Octets& octets() const noexcept { return out_; }

 private:
  Octets out_;
};

}  // namespace sealpost::dns::test
