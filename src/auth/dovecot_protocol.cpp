// SPDX-License-Identifier: Apache-2.0
#include "auth/dovecot_protocol.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "auth/secret.hpp"
#include "base/text.hpp"

namespace sealpost::auth {
namespace {

constexpr unsigned most_greeting_lines = 200;
constexpr std::uint64_t protocol_version = 1;

Error not_dovecot(const char* what) { return Error(Errc::invalid, std::string("Dovecot ") + what); }

// TAB, line ends, NUL and the escape itself are written as \001 and a letter.
std::optional<std::string> without_escapes(std::string_view word) {
  std::string plain;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (word[i] != '\001') {
      plain += word[i];
      continue;
    }
    if (++i == word.size()) return std::nullopt;
    switch (word[i]) {
      case '0': plain += '\0'; break;
      case '1': plain += '\001'; break;
      case 't': plain += '\t'; break;
      case 'r': plain += '\r'; break;
      case 'n': plain += '\n'; break;
      default: return std::nullopt;
    }
  }
  return plain;
}

// Why a FAIL is not the fault of who logs in: the backend was not to be had, or we were not understood.
bool is_no_fault(std::string_view word) {
  constexpr std::string_view words[] = {"temp", "code=temp_fail", "code=mech_invalid",
                                        "code=mech_ssl_required", "code=invalid_base64"};
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

std::optional<DovecotReply::Kind> kind_of(std::string_view verb) {
  if (verb == "OK") return DovecotReply::Kind::right;
  if (verb == "FAIL") return DovecotReply::Kind::wrong;
  if (verb == "CONT") return DovecotReply::Kind::goes_on;
  return std::nullopt;
}

}  // namespace

Expected<bool> DovecotGreeting::hear(std::string_view line) {
  if (line.size() >= longest_dovecot_line || ++lines_ > most_greeting_lines)
    return not_dovecot("says more in its greeting than there can be");
  const std::vector<std::string_view> words = text::split(line, '\t');
  if (words.front() == "VERSION") {
    const auto major = words.size() > 1 ? text::parse_u64(words[1]) : std::nullopt;
    if (major != protocol_version) return not_dovecot("speaks another version of its protocol than 1");
    version_ = true;
  } else if (words.front() == "MECH") {
    plain_ = plain_ || (words.size() > 1 && text::iequals(words[1], "PLAIN"));
  } else if (words.front() == "DONE") {
    if (!version_) return not_dovecot("does not say which protocol it speaks");
    return true;
  }
  return false;
}

Expected<std::optional<DovecotReply>> parse_dovecot_reply(std::string_view line) {
  if (line.size() >= longest_dovecot_line) return not_dovecot("says more in a line than there can be");
  const std::vector<std::string_view> words = text::split(line, '\t');
  const auto kind = kind_of(words.front());
  if (!kind) return std::optional<DovecotReply>();
  const auto id = words.size() > 1 ? text::parse_u64(words[1]) : std::nullopt;
  if (!id || *id > std::numeric_limits<std::uint32_t>::max())
    return not_dovecot("answers without saying to which question");
  DovecotReply reply;
  reply.kind = *kind;
  reply.id = static_cast<std::uint32_t>(*id);
  const auto says = [&](std::string_view word) {
    return std::any_of(words.begin() + 2, words.end(), [&](std::string_view one) {
      return one == word || (one.starts_with(word) && one[word.size()] == '=');
    });
  };
  for (std::size_t i = 2; i < words.size(); ++i) {
    if (*kind == DovecotReply::Kind::wrong && is_no_fault(words[i]))
      reply.kind = DovecotReply::Kind::no_answer;
    if (*kind != DovecotReply::Kind::right || !words[i].starts_with("user=")) continue;
    auto user = without_escapes(words[i].substr(5));
    if (!user || !reply.user.empty()) return not_dovecot("gives an account a name that cannot be read");
    reply.user = std::move(*user);
  }
  if (*kind != DovecotReply::Kind::right) return std::optional<DovecotReply>(std::move(reply));
  if (reply.user.empty()) return not_dovecot("lets somebody in and does not say whom");
  // The password is right, and the account is closed to who has it; of one that is kept elsewhere it says less.
  if (says("nologin") && !says("proxy") && !says("proxy_maybe")) reply.kind = DovecotReply::Kind::wrong;
  return std::optional<DovecotReply>(std::move(reply));
}

std::string dovecot_hello(std::uint32_t id) { return "VERSION\t1\t1\nCPID\t" + std::to_string(id) + "\n"; }

// `secured`: AUTH is heard inside TLS only. `nologin`: nobody asks Dovecot later what this account has. `no-penalty`: our own
// brakes count failures, by which no neighbour is slowed down; Dovecot would make all of an address wait.
std::string dovecot_request(std::uint32_t id, const IpAddress& client, const std::optional<IpAddress>& local,
                            std::string_view plain_message) {
  std::string request = "AUTH\t" + std::to_string(id) + "\tPLAIN\tservice=smtp\tsecured\tnologin\tno-penalty";
  if (local) request += "\tlip=" + local->to_string();
  request += "\trip=" + client.to_string();
  // In one piece: a string that grows leaves what it held behind.
  std::string response = text::base64(plain_message);
  const WipeAtEnd wiped(response);
  request.reserve(request.size() + response.size() + 8);
  request.append("\tresp=").append(response).append("\n");
  return request;
}

}  // namespace sealpost::auth
