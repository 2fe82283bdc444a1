// SPDX-License-Identifier: Apache-2.0
//
// The TXT record at _mta-sts.<domain> (RFC 8461 §3.1).
#include <algorithm>
#include <optional>

#include "rules/sts_grammar.hpp"
#include "sealpost/mta_sts.hpp"

namespace sealpost {
namespace {

constexpr std::string_view version_field = "v=STSv1";
constexpr std::size_t id_cap = 32;

bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }

void skip_blanks(std::string_view& text) noexcept {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
}

// *WSP ";" *WSP
bool take_delimiter(std::string_view& text) noexcept {
  std::string_view rest = text;
  skip_blanks(rest);
  if (!rest.starts_with(';')) return false;
  rest.remove_prefix(1);
  skip_blanks(rest);
  text = rest;
  return true;
}

// S4. The RFC's filter is the eight characters "v=STSv1;", its grammar allows blanks before the ";" (erratum
// 6285): both are taken. "v=STSv10" is another version, not ours.
bool is_sts_record(std::string_view text) noexcept {
  if (!text.starts_with(version_field)) return false;
  text.remove_prefix(version_field.size());
  return take_delimiter(text);
}

bool is_value_character(char c) noexcept { return c > 0x20 && c < 0x7f && c != ';' && c != '='; }

struct Field {
  std::string_view name, value;
};

// name "=" value, without blanks.
std::optional<Field> take_field(std::string_view& text) noexcept {
  const std::size_t equals = text.find('=');
  if (equals == text.npos || !rules::is_extension_name(text.substr(0, equals))) return std::nullopt;
  std::size_t end = equals + 1;
  while (end < text.size() && is_value_character(text[end])) ++end;
  if (end == equals + 1) return std::nullopt;
  const Field field{text.substr(0, equals), text.substr(equals + 1, end - equals - 1)};
  text.remove_prefix(end);
  return field;
}

bool is_id(std::string_view id) noexcept {
  return !id.empty() && id.size() <= id_cap && std::all_of(id.begin(), id.end(), rules::is_alnum);
}

StsRecordSet invalid(std::string why) {
  StsRecordSet set;
  set.kind = StsRecordSet::Kind::invalid;
  set.why = std::move(why);
  return set;
}

StsRecordSet parse_record(std::string_view text) {
  text.remove_prefix(version_field.size());
  std::optional<std::string_view> id;
  while (!text.empty()) {
    if (!take_delimiter(text))
      return invalid("a field does not end in ';', or has a character that may not be in it");
    if (text.empty()) break;
    const auto field = take_field(text);
    if (!field) return invalid("a field is empty or not of the form name=value");
    if (field->name == "id" && !id) id = field->value;  // of several the first (§3.2)
  }
  if (!id) return invalid("the record has no id");
  if (!is_id(*id)) return invalid("the id is not 1 to 32 letters and digits");
  StsRecordSet set;
  set.kind = StsRecordSet::Kind::valid;
  set.record.id = *id;
  return set;
}

}  // namespace

StsRecordSet parse_sts_records(const std::vector<std::string>& texts) {
  const std::string* only = nullptr;
  for (const std::string& text : texts) {
    if (!is_sts_record(text)) continue;
    if (only != nullptr) return invalid("there is more than one record with v=STSv1");
    only = &text;
  }
  return only != nullptr ? parse_record(*only) : StsRecordSet();
}

}  // namespace sealpost
