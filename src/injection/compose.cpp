// SPDX-License-Identifier: Apache-2.0
#include "injection/compose.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "mail/mime_text.hpp"

namespace sealpost::injection {
namespace {

constexpr std::size_t wanted_line = 76;
constexpr std::size_t longest_word = 900;  // of a line in the header, which has 998 octets at most
constexpr std::size_t octets_of_word =
    42;  // base64 of them, with "=?utf-8?B?" and "?=", is within 75 (RFC 2047 §2)
constexpr std::size_t octets_of_line = 57;  // base64 of them is 76 (RFC 2045 §6.8)

bool is_plain_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < '\x7f'; });
}

// Encoded words, a blank between two of them, which is no part of what they say. No character is cut in two.
std::vector<std::string> encoded_words(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    std::size_t end = std::min(octets_of_word, text.size());
    while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    if (end == 0) end = std::min(octets_of_word, text.size());
    words.push_back("=?utf-8?B?" + text::base64(text.substr(0, end)) + "?=");
    text.remove_prefix(end);
  }
  return words;
}

// Appended behind a blank, or on a line of its own.
class Folded {
 public:
  explicit Folded(std::string_view name) : out_(name) { out_ += ':'; }
  void word(std::string_view word) {
    const bool first = out_.size() - line_ <= 1 || (line_ == 0 && out_.back() == ':');
    if (!first && out_.size() - line_ + 1 + word.size() > wanted_line) {
      out_ += "\r\n";
      line_ = out_.size();
    }
    out_ += ' ';
    out_ += word;
  }
  void glue(std::string_view text) { out_ += text; }
  std::string end() { return std::move(out_) + "\r\n"; }

 private:
  std::string out_;
  std::size_t line_ = 0;
};

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

void put_mailbox(Folded& field, const Mailbox& mailbox) {
  if (mailbox.name.empty()) return field.word(mailbox.address);
  if (is_plain_ascii(mailbox.name) && mailbox.name.find("=?") == std::string::npos)
    field.word(quoted(mailbox.name));
  else
    for (const std::string& word : encoded_words(mailbox.name)) field.word(word);
  field.word("<" + mailbox.address + ">");
}

std::string address_field(std::string_view name, const std::vector<Mailbox>& mailboxes) {
  if (mailboxes.empty()) return {};
  Folded field(name);
  for (std::size_t i = 0; i < mailboxes.size(); ++i) {
    put_mailbox(field, mailboxes[i]);
    if (i + 1 < mailboxes.size()) field.glue(",");
  }
  return field.end();
}

std::string encoded_base64(std::string_view octets) {
  std::string out;
  out.reserve(octets.size() / 3 * 4 + octets.size() / octets_of_line * 2 + 8);
  while (!octets.empty()) {
    out += text::base64(octets.substr(0, octets_of_line));
    out += "\r\n";
    octets.remove_prefix(std::min(octets.size(), octets_of_line));
  }
  return out;
}

std::string text_part(std::string_view subtype, std::string_view text) {
  const bool encoded = needs_encoding(text);
  std::string part =
      "Content-Type: text/" + std::string(subtype) +
      "; charset=utf-8\r\nContent-Transfer-Encoding: " + (encoded ? "quoted-printable" : "7bit") + "\r\n\r\n";
  if (text.empty()) return part + "\r\n";
  return part + (encoded ? quoted_printable(text) : with_crlf(text));
}

// RFC 2231 §4; §3 wants longer ones in pieces, which 255 octets never need.
std::string percent_encoded(std::string_view text) {
  constexpr std::string_view plain = "!#$&+-.^_`|~";
  constexpr std::string_view hex_letters = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (alnum || (c != '\0' && plain.find(c) != std::string_view::npos)) {
      out += c;
      continue;
    }
    out += '%';
    out += hex_letters[static_cast<unsigned char>(c) >> 4];
    out += hex_letters[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

std::string attachment_part(const Attachment& attachment) {
  std::string part = "Content-Type: " + attachment.type + "\r\nContent-Transfer-Encoding: base64\r\n";
  part += std::string("Content-Disposition: ") + (attachment.content_id.empty() ? "attachment" : "inline");
  if (!attachment.name.empty())
    part += is_plain_ascii(attachment.name) ? ";\r\n filename=" + quoted(attachment.name)
                                            : ";\r\n filename*=utf-8''" + percent_encoded(attachment.name);
  part += "\r\n";
  if (!attachment.content_id.empty()) part += "Content-ID: <" + attachment.content_id + ">\r\n";
  return part + "\r\n" + encoded_base64(attachment.content);
}

std::string multipart(std::string_view subtype, const std::string& boundary,
                      const std::vector<std::string>& parts) {
  std::string out =
      "Content-Type: multipart/" + std::string(subtype) + ";\r\n boundary=\"" + boundary + "\"\r\n\r\n";
  for (const std::string& part : parts) out += "--" + boundary + "\r\n" + part;
  return out + "--" + boundary + "--\r\n";
}

}  // namespace

std::string unstructured_field(std::string_view name, std::string_view value) {
  std::size_t longest = 0;
  for (const std::string_view word : text::split(value, ' ')) longest = std::max(longest, word.size());
  Folded field(name);
  const bool blanks_at_ends = value.starts_with(' ') || value.ends_with(' ');
  if (!is_plain_ascii(value) || value.find("=?") != std::string_view::npos || longest > longest_word ||
      blanks_at_ends) {
    for (const std::string& word : encoded_words(value)) field.word(word);
    return field.end();
  }
  // An empty word stands for one more blank: it is kept beside its neighbour, or a line could be blank.
  std::string pending;
  for (const std::string_view word : text::split(value, ' ')) {
    if (word.empty()) {
      pending += ' ';
      continue;
    }
    field.word(pending + std::string(word));
    pending.clear();
  }
  return field.end();
}

std::string compose(const Parts& parts, std::string_view boundary) {
  const std::string outer = "=_" + std::string(boundary), inner = "=-" + std::string(boundary);
  std::string message = address_field("From", {parts.from});
  message += address_field("To", parts.to);
  message += address_field("Cc", parts.cc);
  message += address_field("Reply-To", parts.reply_to);
  if (parts.subject) message += unstructured_field("Subject", *parts.subject);
  for (const auto& [name, value] : parts.headers) message += unstructured_field(name, value);
  message += "MIME-Version: 1.0\r\n";

  std::vector<std::string> bodies;
  if (parts.text) bodies.push_back(text_part("plain", *parts.text));
  if (parts.html) bodies.push_back(text_part("html", *parts.html));
  std::string content;
  if (bodies.size() == 2)
    content = multipart("alternative", inner, bodies);
  else if (bodies.size() == 1)
    content = std::move(bodies.front());
  if (parts.attachments.empty()) return message + content;
  std::vector<std::string> all;
  if (!content.empty()) all.push_back(std::move(content));
  for (const Attachment& attachment : parts.attachments) all.push_back(attachment_part(attachment));
  return message + multipart("mixed", outer, all);
}

}  // namespace sealpost::injection
