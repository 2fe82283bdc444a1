// SPDX-License-Identifier: Apache-2.0
//
// Replies to us, and what EHLO offers: bounded and printable whatever a server sends; printed and parsed again they
// are the same. Input: what the server sends, in lines.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/text.hpp"
#include "require.hpp"
#include "smtp/extensions.hpp"
#include "smtp/reply_parser.hpp"

namespace {

using namespace sealpost;
using namespace sealpost::smtp;
using State = ReplyParser::State;

bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

void check_bounds(const Reply& reply) {
  require(reply.code >= 200 && reply.code <= 599);
  require(!reply.lines.empty() && reply.lines.size() <= most_reply_lines);
  for (const std::string& line : reply.lines) require(line.size() <= longest_kept_text && printable(line));
  require(reply.to_string().size() <= 1024 && printable(reply.to_string()));
  require(reply.intermediate() || reply.status.klass == reply.code / 100);
}

void check_round_trip(const Reply& reply) {
  ReplyParser parser;
  State state = State::more;
  for (std::size_t i = 0; i < reply.lines.size(); ++i) {
    require(state == State::more);
    std::string line = std::to_string(reply.code) + (i + 1 < reply.lines.size() ? "-" : " ");
    if (reply.enhanced) line += reply.status.to_string() + " ";
    state = parser.add(line + reply.lines[i]);
  }
  require(state == State::done);
  const Reply again = parser.take();
  require(again.code == reply.code && again.status == reply.status && again.enhanced == reply.enhanced);
  require(again.lines == reply.lines);
}

// The keywords once more, the simple way.
void check_extensions(const Reply& reply) {
  const Extensions extensions = read_ehlo(reply);
  bool starttls = false;
  bool size = false;
  for (std::size_t i = 1; i < reply.lines.size(); ++i) {
    const std::string_view line = text::trim(reply.lines[i]);
    const std::string_view word = line.substr(0, line.find(' '));
    starttls = starttls || text::iequals(word, "starttls");
    size = size || text::iequals(word, "size");
  }
  require(extensions.starttls == starttls && extensions.size == size);
  require(extensions.size || extensions.size_limit == 0);
  require(extensions.server_name.size() <= 255 && printable(extensions.server_name));
  for (const auto& limit : {extensions.mail_max, extensions.rcpt_max, extensions.rcpt_domain_max}) {
    require(!limit || (*limit >= 1 && *limit <= 999999));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string sent(data, data + size);
  ReplyParser parser;
  for (std::string_view line : text::split(sent, '\n')) {
    line = line.substr(0, longest_reply_line);
    if (line.ends_with('\r')) line.remove_suffix(1);
    switch (parser.add(line)) {
      case State::more: break;
      case State::failed: require(!parser.error().detail.empty() && printable(parser.error().detail)); break;
      case State::done: {
        const Reply reply = parser.take();
        check_bounds(reply);
        check_round_trip(reply);
        check_extensions(reply);
        break;
      }
    }
  }
  return 0;
}
