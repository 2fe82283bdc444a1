// SPDX-License-Identifier: Apache-2.0
//
// What a Dovecot says on its socket for authentication clients: the auth client protocol, version 1, of which there is no RFC
// (doc.dovecot.org describes it; Postfix and Exim speak it). Lines of words between TABs. Bounded and pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sealpost/expected.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost::auth {

constexpr std::size_t longest_dovecot_line = 8192;  // octets with the line end, as Dovecot has it

// What it says of itself, up to DONE.
class DovecotGreeting {
 public:
  // A line without its end. True: that was the last one. Errc::invalid: another protocol, or no end of words.
  Expected<bool> hear(std::string_view line);
  bool has_plain() const noexcept { return plain_; }

 private:
  bool version_ = false, plain_ = false;
  unsigned lines_ = 0;
};

struct DovecotReply {
  enum class Kind : std::uint8_t {
    right,      // OK
    wrong,      // FAIL
    no_answer,  // FAIL for no fault of who logs in
    goes_on,    // CONT
  };
  DovecotReply() = default;
  Kind kind = Kind::no_answer;
  std::uint32_t id = 0;
  std::string user;  // right: who it is, which may be another name than was claimed
};
// Nothing: a line of a kind that concerns nobody here. Errc::invalid, which says nothing of what was in it.
Expected<std::optional<DovecotReply>> parse_dovecot_reply(std::string_view line);

// What the client says first. `id`: not that of another connection; never 0.
std::string dovecot_hello(std::uint32_t id);
// AUTH with all that PLAIN has to say (RFC 4616 §2). Holds the password: wipe it.
std::string dovecot_request(std::uint32_t id, const IpAddress& client, const std::optional<IpAddress>& local,
                            std::string_view plain_message);

}  // namespace sealpost::auth
