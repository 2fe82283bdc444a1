// SPDX-License-Identifier: Apache-2.0
#include "smtp/command.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "base/text.hpp"
#include "mail/address.hpp"
#include "mail/smtputf8.hpp"
#include "mail/xtext.hpp"

namespace sealpost::smtp {
namespace {

struct Word {
  std::string_view word;
  Verb verb;
};
constexpr std::array command_words = {
    // In the order of how often they come.
    Word{"MAIL", Verb::mail},
    Word{"RCPT", Verb::rcpt},
    Word{"DATA", Verb::data},
    Word{"EHLO", Verb::ehlo},
    Word{"QUIT", Verb::quit},
    Word{"RSET", Verb::rset},
    Word{"NOOP", Verb::noop},
    Word{"HELO", Verb::helo},
    Word{"STARTTLS", Verb::starttls},
    Word{"VRFY", Verb::vrfy},
    Word{"EXPN", Verb::expn},
    Word{"HELP", Verb::help},
    Word{"AUTH", Verb::auth},
    Word{"BDAT", Verb::bdat},
    Word{"XCLIENT", Verb::xclient},
    // Methods of HTTP, and the first word of HTTP/2 (T-06).
    Word{"GET", Verb::http},
    Word{"POST", Verb::http},
    Word{"HEAD", Verb::http},
    Word{"PUT", Verb::http},
    Word{"DELETE", Verb::http},
    Word{"OPTIONS", Verb::http},
    Word{"CONNECT", Verb::http},
    Word{"TRACE", Verb::http},
    Word{"PATCH", Verb::http},
    Word{"PRI", Verb::http},
};

// One parameter taken off the front of `rest`: keyword ["=" value] (RFC 5321 §4.1.2, esmtp-param).
struct Parameter {
  std::string_view keyword;
  std::string_view value;
  bool has_value = false;
};

bool is_keyword(std::string_view word) noexcept {
  const auto alnum = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  };
  return !word.empty() && alnum(word.front()) &&
         std::all_of(word.begin(), word.end(), [&](char c) { return alnum(c) || c == '-'; });
}

// Beyond ASCII only with SMTPUTF8 (RFC 6531 §3.3).
bool is_value(std::string_view value, Utf8 utf8) noexcept {
  const auto fits = [&](char c) {
    return (c > 32 && c < 127 && c != '=') || (static_cast<unsigned char>(c) >= 0x80 && utf8 == Utf8::accept);
  };
  return !value.empty() && std::all_of(value.begin(), value.end(), fits);
}

std::optional<Parameter> take_parameter(std::string_view& rest, Utf8 utf8) noexcept {
  const std::string_view word = rest.substr(0, rest.find(' '));
  rest = text::trim(rest.substr(word.size()), " ");
  Parameter parameter;
  const std::size_t equals = word.find('=');
  parameter.keyword = word.substr(0, equals);
  parameter.has_value = equals != std::string_view::npos;
  if (parameter.has_value) parameter.value = word.substr(equals + 1);
  if (!is_keyword(parameter.keyword) || (parameter.has_value && !is_value(parameter.value, utf8)))
    return std::nullopt;
  return parameter;
}

constexpr ServerReply bad_sender{501, "5.1.7",
                                 "bad sender, wanted MAIL FROM:<local-part@domain> (RFC 5321 4.1.2)"};
constexpr ServerReply bad_recipient{501, "5.1.3",
                                    "bad recipient, wanted RCPT TO:<local-part@domain> (RFC 5321 4.1.2)"};
constexpr ServerReply not_ascii{501, "5.6.7",
                                "address beyond ASCII, and no SMTPUTF8 with MAIL (RFC 6531 3.5)"};
constexpr ServerReply bad_parameter{501, "5.5.4", "parameter malformed, repeated or with a wrong value"};

// What may stand where a blank does.
constexpr std::string_view granted_blanks(Syntax syntax) noexcept {
  return syntax == Syntax::lenient ? " \t" : " ";
}

// "FROM:" or "TO:" off the front of `argument`, any case; what follows is the path.
bool take_prefix(std::string_view& argument, std::string_view word, Syntax syntax) noexcept {
  if (!text::istarts_with(argument, word)) return false;
  argument.remove_prefix(word.size());
  if (syntax == Syntax::lenient) argument = text::trim(argument, granted_blanks(syntax));
  if (!argument.starts_with(':')) return false;
  argument.remove_prefix(1);
  return true;
}

// The blanks between a path and its parameters; false when something else follows the path.
bool take_blanks(std::string_view& rest, Syntax syntax) noexcept {
  if (rest.empty()) return true;
  const std::string_view granted = granted_blanks(syntax);
  if (granted.find(rest.front()) == std::string_view::npos) return false;
  rest = text::trim(rest, granted);
  return true;
}

// Numbers the keywords of MAIL and RCPT, from 1; 0 is none of them.
enum Known : unsigned {
  no_keyword,
  known_size,
  known_body,
  known_ret,
  known_envid,
  known_requiretls,
  known_smtputf8,
  known_auth,
  known_hold,  // HOLDFOR and HOLDUNTIL: one of them, once (RFC 4865 §4)
  known_tls_need,
  known_notify,
  known_orcpt
};

// Applies `one` to each parameter of `rest`; `one` gives the number of the keyword it took, 0 when it knows
// none such, nothing for a bad value.
template <class One>
std::optional<ServerReply> each_parameter(std::string_view rest, Utf8 utf8, One one) {
  std::uint32_t seen = 0;
  while (!rest.empty()) {
    const auto parameter = take_parameter(rest, utf8);
    if (!parameter) return bad_parameter;
    const std::optional<unsigned> number = one(*parameter);
    if (!number) return bad_parameter;
    if (*number == no_keyword) return replies::parameter_unknown;
    const std::uint32_t bit = 1U << *number;
    if (seen & bit) return bad_parameter;  // repeated: an error (RFC 5321 §4.1.1.11, RFC 3461 §4.5)
    seen |= bit;
  }
  return std::nullopt;
}

// SIZE=1*20DIGIT (RFC 1870 §5), and chunk-size of BDAT. Twenty digits may pass 2^64: then it is simply too big.
bool parse_size(std::string_view digits, std::uint64_t& size) noexcept {
  if (digits.empty() || digits.size() > 20) return false;
  if (!std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) return false;
  size = text::parse_u64(digits).value_or(std::numeric_limits<std::uint64_t>::max());
  return true;
}

// NOTIFY (RFC 3461 §4.1): NEVER alone, or some of the others.
std::optional<std::uint8_t> parse_notify(std::string_view list) noexcept {
  if (text::iequals(list, "NEVER")) return notify_never;
  std::uint8_t bits = 0;
  while (true) {
    const std::size_t comma = list.find(',');
    const std::string_view word = list.substr(0, comma);
    if (text::iequals(word, "SUCCESS"))
      bits |= notify_success;
    else if (text::iequals(word, "FAILURE"))
      bits |= notify_failure;
    else if (text::iequals(word, "DELAY"))
      bits |= notify_delay;
    else
      return std::nullopt;
    if (comma == std::string_view::npos) return bits;
    list.remove_prefix(comma + 1);
  }
}

// With SMTPUTF8 Postfix writes an address beyond ASCII as xtext of its octets, whatever the type.
bool is_xtext_of_octets(std::string_view text) noexcept {
  constexpr std::string_view hex = "0123456789ABCDEF";
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] <= ' ' || text[i] > '~' || text[i] == '=') return false;
    if (text[i] != '+') continue;
    if (i + 2 >= text.size()) return false;
    const std::size_t high = hex.find(text[i + 1]), low = hex.find(text[i + 2]);
    if (high == hex.npos || low == hex.npos || high < 2 || (high << 4 | low) == 127) return false;
    i += 2;
  }
  return !text.empty();
}

// ORCPT=addr-type;xtext, at most 500 octets (RFC 3461 §4.2), kept as it came. An address beyond ASCII has a type and an
// encoding of its own (RFC 6533 §3).
bool is_original_recipient(std::string_view value, Utf8 utf8) {
  const std::size_t semicolon = value.find(';');
  if (value.size() > 500 || semicolon == std::string_view::npos || semicolon + 1 == value.size())
    return false;
  const std::string_view type = value.substr(0, semicolon), address = value.substr(semicolon + 1);
  if (text::iequals(type, "utf-8") && is_utf8_xtext(address, utf8 == Utf8::accept)) return true;
  if (utf8 == Utf8::accept && is_keyword(type) && is_xtext_of_octets(address)) return true;
  return is_keyword(type) && from_xtext(address).has_value();
}

std::optional<unsigned> mail_parameter(const Parameter& p, MailCommand& mail) {
  if (text::iequals(p.keyword, "SIZE")) {
    mail.seen |= parameter::size;
    if (!parse_size(p.value, mail.size)) return std::nullopt;
    return known_size;
  }
  if (text::iequals(p.keyword, "BODY")) {
    mail.seen |= parameter::body;
    if (text::iequals(p.value, "8BITMIME"))
      mail.body = BodyType::eight_bit_mime;
    else if (text::iequals(p.value, "BINARYMIME"))
      mail.body = BodyType::binary;
    else if (!text::iequals(p.value, "7BIT"))
      return std::nullopt;
    return known_body;
  }
  if (text::iequals(p.keyword, "RET")) {
    mail.seen |= parameter::dsn;
    if (text::iequals(p.value, "FULL"))
      mail.ret = 1;
    else if (text::iequals(p.value, "HDRS"))
      mail.ret = 2;
    else
      return std::nullopt;
    return known_ret;
  }
  if (text::iequals(p.keyword, "ENVID")) {
    mail.seen |= parameter::dsn;
    if (p.value.empty() || p.value.size() > 100) return std::nullopt;  // RFC 3461 §4.4
    auto decoded = from_xtext(p.value);
    if (!decoded) return std::nullopt;
    mail.envid = std::move(*decoded);
    return known_envid;
  }
  if (text::iequals(p.keyword, "REQUIRETLS")) {
    mail.seen |= parameter::requiretls;
    if (p.has_value) return std::nullopt;  // RFC 8689 §2
    return known_requiretls;
  }
  if (text::iequals(p.keyword, "SMTPUTF8")) {
    mail.seen |= parameter::smtputf8;
    if (p.has_value) return std::nullopt;
    return known_smtputf8;
  }
  if (text::iequals(p.keyword, "AUTH")) {
    mail.seen |= parameter::auth;
    if (!p.has_value || !from_xtext(p.value)) return std::nullopt;  // RFC 4954 §5
    return known_auth;
  }
  if (text::iequals(p.keyword, "HOLDFOR")) {
    mail.seen |= parameter::future_release;
    const auto seconds = p.value.size() <= 9 ? text::parse_u64(p.value) : std::nullopt;  // RFC 4865 §4
    if (!seconds) return std::nullopt;
    mail.hold_for = std::chrono::seconds(*seconds);
    return known_hold;
  }
  if (text::iequals(p.keyword, "HOLDUNTIL")) {
    mail.seen |= parameter::future_release;
    mail.hold_until = from_rfc3339(p.value);
    if (!mail.hold_until) return std::nullopt;
    return known_hold;
  }
  if (text::iequals(p.keyword, "XTLS")) {
    mail.seen |= parameter::tls_need;
    const auto need = tls_need_of(text::lower(p.value));
    if (!need) return std::nullopt;
    mail.tls_need = *need;
    return known_tls_need;
  }
  return no_keyword;
}

std::optional<unsigned> rcpt_parameter(const Parameter& p, RcptCommand& rcpt, Utf8 utf8) {
  if (text::iequals(p.keyword, "NOTIFY")) {
    rcpt.seen |= parameter::dsn;
    const auto bits = parse_notify(p.value);
    if (!bits) return std::nullopt;
    rcpt.notify = *bits;
    return known_notify;
  }
  if (text::iequals(p.keyword, "ORCPT")) {
    rcpt.seen |= parameter::dsn;
    if (!is_original_recipient(p.value, utf8)) return std::nullopt;
    rcpt.original = p.value;
    return known_orcpt;
  }
  return no_keyword;
}

}  // namespace

CommandLine split_command(std::string_view line, Syntax syntax) noexcept {
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
  const std::string_view between = granted_blanks(syntax);
  if (syntax == Syntax::lenient) line = text::trim(line, between);
  const std::size_t blank = std::min(line.find_first_of(between), line.size());
  const std::string_view word = line.substr(0, blank);
  CommandLine command;
  for (const Word& known : command_words) {
    if (!text::iequals(word, known.word)) continue;
    command.verb = known.verb;
    break;
  }
  command.argument = text::trim(line.substr(blank), between);
  return command;
}

std::optional<Chunk> parse_chunk(std::string_view argument) noexcept {
  Chunk chunk;
  const std::string_view digits = argument.substr(0, argument.find(' '));
  if (!parse_size(digits, chunk.size)) return std::nullopt;
  const std::string_view rest = text::trim(argument.substr(digits.size()), " ");
  chunk.last = text::iequals(rest, "LAST");
  if (!rest.empty() && !chunk.last) return std::nullopt;
  return chunk;
}

std::optional<AuthCommand> parse_auth(std::string_view argument) {
  const std::string_view word = argument.substr(0, argument.find(' '));
  if (word.empty()) return std::nullopt;
  AuthCommand command;
  command.mechanism = word;
  for (char& c : command.mechanism)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  const std::string_view rest = text::trim(argument.substr(word.size()), " ");
  if (!rest.empty()) command.initial = rest;
  return command;
}

std::optional<std::string> helo_name(std::string_view said, Syntax syntax) {
  const auto plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view("-._:[]").find(c) != std::string_view::npos;
  };
  const auto control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 127; };
  if (said.empty() || said.size() > 255) return std::nullopt;
  std::string name(said);
  for (char& c : name) {
    if (plain(c)) continue;
    if (syntax == Syntax::strict || control(c)) return std::nullopt;
    c = '?';
  }
  return name;
}

Expected<MailCommand, ServerReply> parse_mail(std::string_view argument, Syntax syntax, Utf8 utf8) {
  if (!take_prefix(argument, "FROM", syntax)) return bad_sender;
  auto path = parse_reverse_path(argument, utf8, syntax);
  if (!path) return !is_ascii(argument) && utf8 == Utf8::refuse ? not_ascii : bad_sender;
  const bool ascii = is_ascii(argument.substr(0, path->length));
  argument.remove_prefix(path->length);
  if (!take_blanks(argument, syntax)) return bad_sender;

  MailCommand mail;
  mail.reverse_path = std::move(path->address);
  const auto wrong =
      each_parameter(argument, Utf8::refuse, [&](const Parameter& p) { return mail_parameter(p, mail); });
  if (wrong) return *wrong;
  if (!ascii && !(mail.seen & parameter::smtputf8)) return not_ascii;
  return mail;
}

Expected<RcptCommand, ServerReply> parse_rcpt(std::string_view argument, Syntax syntax, Utf8 utf8) {
  if (!take_prefix(argument, "TO", syntax)) return bad_recipient;
  auto path = parse_forward_path(argument, utf8, syntax);
  if (!path) return !is_ascii(argument) && utf8 == Utf8::refuse ? not_ascii : bad_recipient;
  argument.remove_prefix(path->length);
  if (!take_blanks(argument, syntax)) return bad_recipient;

  RcptCommand rcpt;
  rcpt.address = std::move(path->address);
  const auto wrong =
      each_parameter(argument, utf8, [&](const Parameter& p) { return rcpt_parameter(p, rcpt, utf8); });
  if (wrong) return *wrong;
  return rcpt;
}

}  // namespace sealpost::smtp
