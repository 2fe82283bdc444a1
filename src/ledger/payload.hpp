// SPDX-License-Identifier: Apache-2.0
//
// The payload of a row: one JSON object on one line, its kind first, keys in the order they were added, no space: the same facts
// give the same octets. docs/ledger.md says what each key means. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sealpost/clock.hpp"

namespace sealpost::ledger {

class Payload {
 public:
  Payload(std::string_view kind, SystemTime when);
  Payload& text(std::string_view key, std::string_view value);
  Payload& text_unless_empty(std::string_view key, std::string_view value) {
    return value.empty() ? *this : text(key, value);
  }
  Payload& number(std::string_view key, std::int64_t value);
  std::string take() {
    json_ += '}';
    return std::move(json_);
  }

 private:
  void key(std::string_view name);
  std::string json_;
};

// JSON, quoted; what is not UTF-8 is written octet by octet as \u00XX.
void append_json(std::string& out, std::string_view text);

// A reply as it may stand in the chain, from which nothing can be erased: each address in it becomes {to} when it is
// `recipient`, else {address}.
std::string without_addresses(std::string_view reply, std::string_view recipient);

}  // namespace sealpost::ledger
