// SPDX-License-Identifier: Apache-2.0
//
// Reading stored JSON strictly: every member has a type and a bound, and the first one that does not fit
// spoils the whole (T-54). Nothing is thrown.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "sealpost/clock.hpp"

namespace sealpost::history {

class JsonReader {
 public:
  // `good` is shared with the readers of inner objects; it turns false and stays so.
  JsonReader(const nlohmann::json& json, bool& good) : json_(&json), good_(&good) {
    if (!json.is_object()) refuse();
  }

  void refuse() noexcept { *good_ = false; }
  bool has(const char* key) const { return json_->is_object() && json_->contains(key); }

  JsonReader object(const char* key) {
    static const nlohmann::json empty = nlohmann::json::object();
    const nlohmann::json* member = find(key);
    return JsonReader(member == nullptr ? empty : *member, *good_);
  }
  std::string text(const char* key, std::size_t most) { return text_of(find(key), most); }
  bool flag(const char* key) {
    const nlohmann::json* member = find(key);
    if (member == nullptr || !member->is_boolean()) return refuse(), false;
    return member->get<bool>();
  }
  std::int64_t number(const char* key, std::int64_t least, std::int64_t most) {
    const nlohmann::json* member = find(key);
    if (member == nullptr || !member->is_number_integer()) return refuse(), least;
    if (member->is_number_unsigned() && member->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX))
      return refuse(), least;
    const auto value = member->get<std::int64_t>();
    if (value < least || value > most) return refuse(), least;
    return value;
  }
  std::vector<std::string> texts(const char* key, std::size_t most, std::size_t most_each) {
    std::vector<std::string> all;
    const nlohmann::json* member = find(key);
    if (member == nullptr || !member->is_array() || member->size() > most) return refuse(), all;
    for (const nlohmann::json& each : *member) all.push_back(text_of(&each, most_each));
    return all;
  }
  // Seconds since 1970, between years 1 and 9999: what a certificate can say.
  SystemTime time(const char* key) {
    constexpr std::int64_t first = -62'135'596'800, last = 253'402'300'799;
    return SystemTime(std::chrono::seconds(number(key, first, last)));
  }
  // Lower-case hex of a SHA-256, or nothing.
  std::string digest(const char* key) {
    std::string value = text(key, 64);
    const bool hex = value.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!hex || (!value.empty() && value.size() != 64)) refuse();
    return value;
  }
  template <class Enum, std::size_t N>
  Enum choice(const char* key, const std::array<const char*, N>& words) {
    const std::string word = text(key, 64);
    const auto found = std::find(words.begin(), words.end(), word);
    if (found == words.end()) return refuse(), Enum{};
    return static_cast<Enum>(found - words.begin());
  }

 private:
  const nlohmann::json* find(const char* key) {
    if (!has(key)) return refuse(), nullptr;
    return &(*json_)[key];
  }
  std::string text_of(const nlohmann::json* value, std::size_t most) {
    if (value == nullptr || !value->is_string()) return refuse(), std::string();
    const auto& text = value->get_ref<const std::string&>();
    if (text.size() > most) return refuse(), std::string();
    return text;
  }

  const nlohmann::json* json_;
  bool* good_;
};

}  // namespace sealpost::history
