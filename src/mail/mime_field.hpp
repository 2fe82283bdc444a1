// SPDX-License-Identifier: Apache-2.0
//
// Header fields with parameters (RFC 2045 §5.1): the value, and parameters however they are written: plain, quoted, in
// numbered parts and with a charset (RFC 2231), or as encoded words in quotes, which no standard allows and many
// programs write (RFC 2047). Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sealpost {

class MimeField {
 public:
  explicit MimeField(std::string text);  // unfolded
  const std::string& value() const noexcept { return value_; }
  // Empty: it is not there. UTF-8 where the charset is one of those known here, else the octets as they came.
  std::string parameter(std::string_view name) const;

 private:
  template <class Visit>
  void each(Visit visit) const;
  std::string word(std::size_t& at) const;

  std::string text_, value_;
  std::size_t at_ = 0;  // where parameters begin
};

}  // namespace sealpost
