// SPDX-License-Identifier: Apache-2.0
#include "mail/utf8_headers.hpp"

#include "base/text.hpp"
#include "mail/smtputf8.hpp"

namespace sealpost {
namespace {

constexpr std::size_t longest_character = 4;

// Octets at the end of `text` that may be the beginning of a character.
std::size_t begun_character(std::string_view text) noexcept {
  for (std::size_t back = 1; back < longest_character && back <= text.size(); ++back) {
    const auto octet = static_cast<unsigned char>(text[text.size() - back]);
    if (octet >= 0xc0) return back;
    if (octet < 0x80) break;
  }
  return 0;
}

}  // namespace

void Utf8Headers::look(const MimeLine& line) {
  if (line.kind != MimeLine::Kind::field && line.kind != MimeLine::Kind::fold) return;
  if (field_.empty() && is_ascii(line.text)) return;
  beyond_ascii_ = true;
  field_ += line.text;
  const std::size_t rest = line.text.ends_with('\n') ? 0 : begun_character(field_);
  well_formed_ = well_formed_ && text::is_utf8(std::string_view(field_).substr(0, field_.size() - rest));
  field_.erase(0, field_.size() - rest);
}

}  // namespace sealpost
