// SPDX-License-Identifier: Apache-2.0
//
// The header of a message in transit, and text made from such input: no field reaches beyond the header, unfolded values
// are one line, what we write has only CRLF line ends and bounded lines (T-22).
#include <algorithm>
#include <cstdint>
#include <string>

#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/mime_text.hpp"
#include "mail/xtext.hpp"
#include "require.hpp"

namespace {

using namespace sealpost;

bool only_crlf(std::string_view text, std::size_t longest) {
  std::size_t line = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r') {
      if (i + 1 == text.size() || text[i + 1] != '\n') return false;
    } else if (text[i] == '\n') {
      if (i == 0 || text[i - 1] != '\r') return false;
      line = 0;
      continue;
    }
    if (text[i] != '\r' && ++line > longest) return false;
  }
  return text.empty() || text.ends_with("\r\n");
}

void check_fields(std::string_view message) {
  HeaderReader reader(message);
  HeaderField field;
  unsigned received = 0;
  std::size_t before = 0;
  while (reader.next(field)) {
    require(reader.position() > before && reader.position() <= std::min(message.size(), header_scan_cap));
    before = reader.position();
    require(!field.name.empty() && field.name.data() >= message.data());
    require(field.value.data() + field.value.size() <= message.data() + reader.position());
    const std::string value = unfold(field.value);
    require(value.size() <= 998 && value.find_first_of("\r\n\t") == value.npos && text::trim(value) == value);
    if (text::iequals(field.name, "received")) ++received;
  }
  const HeadFacts facts = scan_head(message);
  require(facts.received == received && facts.header_octets == reader.position());
  for (const char c : facts.message_id) require(c > 0x20 && c < 0x7f);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_fields(text);
  require(only_crlf(quoted_printable(text), 76));
  require(only_crlf(with_crlf(text), SIZE_MAX));
  const std::string field = folded_field("Diagnostic-Code", text);
  require(only_crlf(field, 998));
  HeaderReader reader(field);
  HeaderField only;
  require(reader.next(only) && only.name == "Diagnostic-Code" && !reader.next(only));
  if (const auto decoded = from_xtext(text)) require(from_xtext(to_xtext(*decoded)) == *decoded);
  return 0;
}
