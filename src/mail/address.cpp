// SPDX-License-Identifier: Apache-2.0
#include "mail/address.hpp"

#include <idn2.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/handles.hpp"
#include "base/text.hpp"
#include "rules/sts_grammar.hpp"

namespace sealpost {
namespace {

// RFC 5321 §4.5.3.1.
constexpr std::size_t local_part_cap = 64;
constexpr std::size_t path_cap = 256;  // with brackets and source route
constexpr std::string_view ends_domain = ">,: \t";

bool is_atext(char c) noexcept {
  return rules::is_alnum(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}
bool is_8bit(char c) noexcept { return static_cast<unsigned char>(c) >= 0x80; }
bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }

Error invalid(const char* what) { return Error(Errc::invalid, what); }
Error too_long(const char* what) { return Error(Errc::too_long, what); }

// Reads a path from the front of a text. Each take_ function either consumes what it names or leaves an
// error.
class PathReader {
 public:
  PathReader(std::string_view text, Utf8 utf8, Syntax syntax) noexcept
      : text_(text), utf8_(utf8), lenient_(syntax == Syntax::lenient) {}

  std::size_t position() const noexcept { return at_; }
  std::size_t path_length() const noexcept { return at_ - path_start_; }
  bool open_path() noexcept {
    take(' ');  // Deviation from §3.3, which allows none; many clients send one, and refusing it gains
                // nothing.
    skip_blanks();
    path_start_ = at_;
    bracketed_ = take('<');
    skip_blanks();
    return bracketed_ || lenient_;
  }
  bool close_path() noexcept {
    if (!bracketed_) return at_end() || is_blank(peek());
    skip_blanks();
    return take('>');
  }
  // "<>", which needs its brackets: nothing at all is no address.
  bool take_null_path() noexcept {
    const std::size_t start = at_;
    if (bracketed_ && close_path()) return true;
    at_ = start;
    return false;
  }
  // The word alone (RFC 5321 §4.1.1.3); nothing is taken of a longer one.
  std::string_view take_postmaster() noexcept {
    constexpr std::string_view postmaster = "postmaster";
    const std::size_t start = at_;
    if (!text::istarts_with(text_.substr(start), postmaster)) return {};
    at_ += postmaster.size();
    if (close_path()) return text_.substr(start, postmaster.size());
    at_ = start;
    return {};
  }
  bool at_end() const noexcept { return at_ == text_.size(); }
  char peek() const noexcept { return at_end() ? '\0' : text_[at_]; }
  bool take(char c) noexcept {
    if (at_end() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  // "@one,@two:" (App. C). Only its form is looked at; where it wants to go is of no interest.
  Expected<void> skip_source_route() {
    if (peek() != '@') return {};
    do {
      if (!take('@')) return invalid("source route: '@' expected");
      const auto domain = take_domain();
      if (!domain) return domain.error();
    } while (take(','));
    if (!take(':')) return invalid("source route: ':' expected after it");
    return {};
  }

  Expected<std::string> take_local_part() {
    const std::size_t start = at_;
    bool needs_quotes = false;
    auto done = peek() == '"' ? skip_quoted_string() : skip_dot_string(needs_quotes);
    if (!done) return done.error();
    const std::string_view local = text_.substr(start, at_ - start);
    if (!lenient_ && local.size() > local_part_cap) return too_long("local part is longer than 64 octets");
    if (!text::is_utf8(local)) return invalid("local part is not UTF-8");
    return needs_quotes ? '"' + std::string(local) + '"' : std::string(local);
  }

  // A domain as it will be kept: a literal or ASCII as written, what is beyond ASCII as A-labels.
  Expected<std::string> take_domain() {
    if (peek() == '[') return take_literal();
    const std::size_t start = at_;
    while (!at_end() && ends_domain.find(peek()) == ends_domain.npos) ++at_;
    std::string_view written = text_.substr(start, at_ - start);
    if (written.size() > path_cap) return too_long("domain is longer than 253 octets");
    if (lenient_ && written.ends_with('.')) written.remove_suffix(1);
    if (std::any_of(written.begin(), written.end(), is_8bit)) {
      if (utf8_ == Utf8::refuse) return invalid("8-bit octet in the domain without SMTPUTF8");
      if (written.ends_with('.')) return invalid("domain ends in a dot");
      return to_a_labels(written);
    }
    if (written.size() > domain_name_cap) return too_long("domain is longer than 253 octets");
    if (!(lenient_ ? is_lenient_domain_name(written) : is_domain_name(written)))
      return invalid("domain is not made of letters, digits, '-' and single dots");
    return std::string(written);
  }

 private:
  bool is_text(char c) const noexcept { return is_8bit(c) && utf8_ == Utf8::accept; }

  void skip_blanks() noexcept {
    while (lenient_ && !at_end() && is_blank(peek())) ++at_;
  }

  // Dots at an end or side by side belong into quotes; where they are granted, the address gets them.
  Expected<void> skip_dot_string(bool& needs_quotes) {
    const std::size_t begin = at_;
    do {
      const std::size_t start = at_;
      while (!at_end() && (is_atext(peek()) || is_text(peek()))) ++at_;
      if (at_ > start) continue;
      if (lenient_ && (peek() == '.' || (at_ > begin && peek() == '@'))) {
        needs_quotes = true;
        continue;
      }
      if (!at_end() && is_8bit(peek())) return invalid("8-bit octet in the local part without SMTPUTF8");
      return invalid("local part is empty, has a dot too many, or a character that needs quotes");
    } while (take('.'));
    return {};
  }

  Expected<void> skip_quoted_string() {
    take('"');
    while (!take('"')) {
      const bool quoted_pair = take('\\');
      if (at_end()) return invalid("quoted local part without closing quote");
      const char c = text_[at_++];
      const bool printable = c >= 0x20 && c < 0x7f;
      if (!printable && (quoted_pair || !is_text(c)))
        return invalid("control or 8-bit character in a quoted local part");
    }
    return {};
  }

  Expected<std::string> take_literal() {
    const std::size_t end = text_.find(']', at_);
    const std::string_view written = text_.substr(at_, end == text_.npos ? end : end + 1 - at_);
    if (!parse_address_literal(written))
      return invalid("address literal is neither [IPv4] nor [IPv6:address]");
    at_ += written.size();
    return std::string(written);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t path_start_ = 0;
  Utf8 utf8_;
  bool lenient_;
  bool bracketed_ = false;
};

Expected<std::string> take_mailbox(PathReader& reader) {
  const auto local = reader.take_local_part();
  if (!local) return local.error();
  if (!reader.take('@')) return invalid("'@' and a domain expected after the local part");
  const auto domain = reader.take_domain();
  if (!domain) return domain.error();
  return *local + '@' + *domain;
}

// What has been read once must be read again, from disk (T-54): quotes and A-labels may have made it longer.
Expected<Path> whole_path(PathReader& reader, std::string address) {
  if (reader.path_length() > path_cap || address.size() > path_cap - 2)
    return too_long("path is longer than 256 octets");
  Path path;
  path.address = std::move(address);
  path.length = reader.position();
  return path;
}

Expected<Path> parse_path(PathReader& reader) {
  const auto route = reader.skip_source_route();
  if (!route) return route.error();
  auto mailbox = take_mailbox(reader);
  if (!mailbox) return mailbox.error();
  if (!reader.close_path()) return invalid("'>' expected after the address");
  return whole_path(reader, std::move(*mailbox));
}

// Where the domain's '@' is: the last one outside quotes is the last one, since no domain has any.
std::size_t at_sign(std::string_view address) noexcept {
  const std::size_t quote = address.rfind('"');
  const std::size_t at = address.rfind('@');
  return at != address.npos && (quote == address.npos || at > quote) ? at : address.npos;
}

}  // namespace

Expected<Path> parse_reverse_path(std::string_view text, Utf8 utf8, Syntax syntax) {
  PathReader reader(text, utf8, syntax);
  if (!reader.open_path()) return invalid("'<' expected before the address");
  if (reader.take_null_path()) return whole_path(reader, "");
  return parse_path(reader);
}

Expected<Path> parse_forward_path(std::string_view text, Utf8 utf8, Syntax syntax) {
  PathReader reader(text, utf8, syntax);
  if (!reader.open_path()) return invalid("'<' expected before the address");
  if (const auto postmaster = reader.take_postmaster(); !postmaster.empty())
    return whole_path(reader, std::string(postmaster));
  if (reader.take_null_path()) return invalid("a recipient is needed; '<>' names none");
  return parse_path(reader);
}

Expected<std::string> parse_mailbox(std::string_view text, Utf8 utf8, Syntax syntax) {
  if (text.size() > path_cap - 2) return too_long("address is longer than 254 octets");
  PathReader reader(text, utf8, syntax);
  auto mailbox = take_mailbox(reader);
  if (mailbox && !reader.at_end()) return invalid("something follows the address");
  if (mailbox && mailbox->size() > path_cap - 2) return too_long("address is longer than 254 octets");
  return mailbox;
}

std::string_view local_part_of(std::string_view address) noexcept {
  return address.substr(0, at_sign(address));
}

std::string_view after_at(std::string_view text) noexcept { return text.substr(text.rfind('@') + 1); }

std::string domain_of(std::string_view address) {
  const std::size_t at = at_sign(address);
  if (at == address.npos) return {};
  const std::string_view domain = address.substr(at + 1);
  if (domain.starts_with('[')) return std::string(domain);
  return text::lower(domain);
}

bool has_quoted_at(std::string_view address) noexcept {
  return local_part_of(address).find('@') != std::string_view::npos;
}

std::optional<IpAddress> parse_address_literal(std::string_view text) noexcept {
  constexpr std::string_view v6_tag = "IPv6:";
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  const bool tagged = text::istarts_with(text, v6_tag);
  if (tagged) text.remove_prefix(v6_tag.size());
  // A mapped address becomes IPv4 when parsed, so the form is judged by its text.
  if (tagged != (text.find(':') != text.npos)) return std::nullopt;
  return IpAddress::parse(text);
}

Expected<std::string> to_a_labels(std::string_view domain) {
  if (domain.ends_with('.')) domain.remove_suffix(1);
  if (domain.size() > 1024 || domain.find('\0') != domain.npos) return invalid("not a domain name");
  std::string name = text::lower(domain);
  if (std::any_of(name.begin(), name.end(), is_8bit)) {
    if (!text::is_utf8(name)) return invalid("domain name is not UTF-8");
    char* converted = nullptr;
    const int result = idn2_to_ascii_8z(name.c_str(), &converted, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    const std::unique_ptr<char, FreeWith<idn2_free>> owner(converted);
    if (result != IDN2_OK) return Error(Errc::invalid, std::string("domain name: ") + idn2_strerror(result));
    name = converted;
  }
  if (!is_domain_name(name))
    return invalid("not a domain name: labels of letters, digits and '-', joined by dots");
  return name;
}

}  // namespace sealpost
