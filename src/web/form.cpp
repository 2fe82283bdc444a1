// SPDX-License-Identifier: Apache-2.0
#include "web/form.hpp"

#include <algorithm>

#include "auth/secret.hpp"
#include "base/text.hpp"

namespace sealpost::web {
namespace {

std::optional<unsigned> hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

// Where it is to stay: no copies are left behind.
Expected<void> decode(std::string_view text, std::string& out) {
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
      continue;
    }
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const auto high = i + 2 < text.size() ? hex_digit(text[i + 1]) : std::nullopt;
    const auto low = high ? hex_digit(text[i + 2]) : std::nullopt;
    if (!low) return Error(Errc::invalid, "the form has a '%' that means nothing");
    out += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  if (!text::is_utf8(out) || out.find('\0') != std::string::npos)
    return Error(Errc::invalid, "the form is not UTF-8 text");
  return {};
}

}  // namespace

Form::~Form() {
  for (auto& [name, value] : fields_) auth::wipe(value);
}

Expected<Form> Form::read(std::string_view text) {
  Form form;
  if (text.empty()) return form;
  // Values never move: short ones would leave a copy where they were.
  const auto most = static_cast<std::size_t>(std::count(text.begin(), text.end(), '&')) + 1;
  form.fields_.reserve(std::min(most, most_fields));
  for (const std::string_view part : text::split(text, '&')) {
    if (part.empty()) continue;
    if (form.fields_.size() == most_fields) return Error(Errc::too_long, "the form has too many fields");
    const std::size_t equals = part.find('=');
    std::string name;
    if (auto read = decode(part.substr(0, equals), name); !read) return read.error();
    if (form.has(name)) return Error(Errc::invalid, "the form has a field twice");
    std::string& value = form.fields_.emplace_back(std::move(name), std::string()).second;
    if (equals == std::string_view::npos) continue;
    if (auto read = decode(part.substr(equals + 1), value); !read) return read.error();
  }
  return form;
}

bool Form::has(std::string_view name) const noexcept {
  return std::any_of(fields_.begin(), fields_.end(), [&](const auto& field) { return field.first == name; });
}

std::string_view Form::as_typed(std::string_view name) const noexcept {
  for (const auto& [known, value] : fields_)
    if (known == name) return value;
  return {};
}

std::string_view Form::value(std::string_view name) const noexcept {
  return text::trim(as_typed(name), " \t\r\n");
}

std::optional<std::string_view> cookie(std::string_view header, std::string_view name) {
  std::optional<std::string_view> found;
  std::size_t count = 0;
  for (const std::string_view part : text::split(header, ';')) {
    if (++count > most_cookies) return std::nullopt;
    const std::string_view pair = text::trim(part);
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || pair.substr(0, equals) != name) continue;
    if (found) return std::nullopt;
    found = pair.substr(equals + 1);
  }
  return found;
}

}  // namespace sealpost::web
