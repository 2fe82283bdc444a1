// SPDX-License-Identifier: Apache-2.0
//
// What a browser brings along: the fields of a form or of a query, and its cookies. Pure. What is malformed is an error or
// not there; nothing is guessed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sealpost/expected.hpp"

namespace sealpost::web {

constexpr std::size_t most_fields = 256;
constexpr std::size_t most_cookies = 64;

// application/x-www-form-urlencoded, as browsers write it (WHATWG URL §5).
class Form {
 public:
  Form() = default;
  Form(const Form&) = default;
  Form& operator=(const Form&) = default;
  Form(Form&&) noexcept = default;
  Form& operator=(Form&&) noexcept = default;
  ~Form();  // wiped: it may hold a password

  // Errc::invalid: bad %-escape, no UTF-8, or a name that stands there twice. Errc::too_long: more than most_fields.
  static Expected<Form> read(std::string_view text);

  // Without blanks at its ends; empty: absent or empty.
  std::string_view value(std::string_view name) const noexcept;
  std::string_view as_typed(std::string_view name) const noexcept;  // a password
  bool has(std::string_view name) const noexcept;
  const std::vector<std::pair<std::string, std::string>>& fields() const noexcept { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// The value of a cookie (RFC 6265 §4.2); nothing: it is not there, or more than once, and then one of them is not ours.
std::optional<std::string_view> cookie(std::string_view header, std::string_view name);

}  // namespace sealpost::web
