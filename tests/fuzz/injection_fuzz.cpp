// SPDX-License-Identifier: Apache-2.0
//
// What programs bring to injection.http: JSON, from which a message is made, and a message with a query. What is taken has a
// checked envelope and a header of whole lines, of which none was begun by a value. Input: a body; up to the first line end, a
// query besides.
#include <cstdint>
#include <string_view>

#include "injection/request.hpp"
#include "mail/address.hpp"
#include "mail/header.hpp"
#include "require.hpp"

namespace {

using namespace sealpost;

void look_at_envelope(const injection::Wish& wish) {
  require(!wish.recipients.empty() && wish.recipients.size() == wish.places.size());
  for (const std::string& address : wish.recipients) {
    require(address.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
    require(parse_mailbox(address, Utf8::accept, Syntax::lenient).has_value());
  }
  require(wish.sender.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
}

void look_at_mistake(const injection::Mistake& mistake) {
  require(mistake.status >= 400 && mistake.status < 500 && !mistake.what.empty());
  for (const std::string* text : {&mistake.at, &mistake.what, &mistake.remedy})
    require(text->find_first_of("\r\n") == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  injection::WishLimits limits;
  limits.recipients = 5;
  limits.message = 1 << 20;
  const auto made = injection::read_json_wish(input, limits);
  if (!made) {
    look_at_mistake(made.error());
  } else {
    look_at_envelope(*made);
    require(made->message.size() <= limits.message);
    if (input.find("\"raw\"") == std::string_view::npos) {
      require(made->message.starts_with("From: "));
      const std::size_t header = header_octets(made->message);
      std::size_t line = 0;
      for (std::size_t i = 0; i < header; ++i) {
        const char c = made->message[i];
        line = c == '\n' ? 0 : line + 1;
        require(line <= 999 && c != '\0');
        require((c == '\r') == (i + 1 < header && made->message[i + 1] == '\n'));
      }
    }
  }
  const std::size_t end = std::min(input.find('\n'), input.size());
  const auto brought = injection::read_message_wish(
      input.substr(0, end), std::string(input.substr(std::min(end + 1, input.size()))), limits);
  if (brought)
    look_at_envelope(*brought);
  else
    look_at_mistake(brought.error());
  return 0;
}
