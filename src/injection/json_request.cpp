// SPDX-License-Identifier: Apache-2.0
//
// A message that is said in parts, or whole, as JSON.
#include "injection/request.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "base/i_json.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "base/words.hpp"
#include "injection/compose.hpp"
#include "injection/refusals.hpp"
#include "mail/address.hpp"

namespace sealpost::injection {
namespace {

using Json = nlohmann::json;

// A message needs four levels; 1000 recipients three times, headers and attachments are values.
constexpr JsonBounds json_bounds{8, 100'000, 256};
constexpr std::size_t most_headers = 200, most_attachments = 200;
constexpr std::size_t longest_name = 255;      // of a person or a file, octets
constexpr std::size_t longest_value = 16'384;  // of a header field

Mistake controls_at(const std::string& at) {
  return wrong(at, "has a line end or another control character, which no header field may hold",
               "take it out; it would begin a field of its own");
}

std::string pointer(const std::string& to, std::string_view member) {
  std::string out = to + "/";
  for (const char c : member) {  // RFC 6901 §3
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += c;
  }
  return text::printable(out, 200);
}

// Looks at one request and makes a Wish of it; the first mistake stays.
class Reader {
 public:
  explicit Reader(const WishLimits& limits) : limits_(limits) {}

  Expected<Wish, Mistake> read(const Json& json) {
    static constexpr std::array<std::string_view, 14> known{
        "attachments", "bcc",      "cc",      "envelope", "from", "headers", "html",
        "raw",         "reply_to", "send_at", "subject",  "text", "tls",     "to"};
    if (!json.is_object()) return Mistake(bad_request, "", "the body is no JSON object");
    for (const auto& [name, value] : json.items()) look_at_name(name, "", known);
    read_envelope(json);
    if (json.contains("tls")) read_tls(json["tls"]);
    if (json.contains("send_at")) read_time(json["send_at"]);
    if (json.contains("raw"))
      read_raw(json);
    else
      read_parts(json);
    if (mistake_) return std::move(*mistake_);
    return std::move(wish_);
  }

 private:
  void fail(Mistake mistake) {
    if (!mistake_) mistake_ = std::move(mistake);
  }

  void look_at_name(const std::string& name, const std::string& at, std::span<const std::string_view> known) {
    if (std::find(known.begin(), known.end(), name) != known.end()) return;
    const std::string_view meant = text::nearest(name, known);
    fail(Mistake(bad_request, pointer(at, name), "there is no such member here",
                 meant.empty() ? "" : "did you mean " + std::string(meant) + "?"));
  }

  std::optional<std::string> string_at(const Json& value, const std::string& at) {
    if (value.is_string()) return value.get<std::string>();
    fail(wrong(at, "is no string"));
    return std::nullopt;
  }

  std::optional<std::string> address_in(std::string_view written, const std::string& at) {
    auto address = parse_mailbox(written, Utf8::accept, Syntax::lenient);
    if (address && !domain_of(*address).empty()) return std::move(*address);
    const std::string why = address ? "it has no domain" : address.error().detail;
    fail(wrong(at, "'" + text::printable(written, 80) + "' is no address: " + why,
               "write it as \"anna@example.org\" or \"Anna <anna@example.org>\""));
    return std::nullopt;
  }

  // "anna@example.org", "Anna <anna@example.org>" or "\"A. N. Na\" <anna@example.org>".
  std::optional<Mailbox> mailbox_at(const Json& value, const std::string& at) {
    const auto written = string_at(value, at);
    if (!written) return std::nullopt;
    if (has_controls(*written)) return fail(controls_at(at)), std::nullopt;
    Mailbox mailbox;
    std::string_view rest = text::trim(*written);
    const std::size_t open = rest.ends_with('>') ? rest.rfind('<') : std::string_view::npos;
    if (open != std::string_view::npos) {
      mailbox.name = unquoted(text::trim(rest.substr(0, open)));
      rest = rest.substr(open + 1, rest.size() - open - 2);
    }
    if (mailbox.name.size() > longest_name)
      return fail(wrong(at, "the name has more than 255 octets")), std::nullopt;
    auto address = address_in(rest, at);
    if (!address) return std::nullopt;
    mailbox.address = std::move(*address);
    return mailbox;
  }

  static std::string unquoted(std::string_view name) {
    if (name.size() < 2 || name.front() != '"' || name.back() != '"') return std::string(name);
    std::string out;
    name = name.substr(1, name.size() - 2);
    for (std::size_t i = 0; i < name.size(); ++i) {
      if (name[i] == '\\' && i + 1 < name.size()) ++i;
      out += name[i];
    }
    return out;
  }

  // One string, or an array of them.
  std::vector<Mailbox> mailboxes_at(const Json& json, const std::string& name) {
    std::vector<Mailbox> all;
    if (!json.contains(name)) return all;
    const Json& value = json[name];
    const std::string at = pointer("", name);
    if (value.is_string()) {
      if (auto one = mailbox_at(value, at)) add_mailbox(all, std::move(*one), at);
      return all;
    }
    if (!value.is_array()) return fail(wrong(at, "is neither a string nor an array of them")), all;
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string place = at + "/" + std::to_string(i);
      if (auto one = mailbox_at(value[i], place)) add_mailbox(all, std::move(*one), place);
    }
    return all;
  }

  void add_mailbox(std::vector<Mailbox>& all, Mailbox mailbox, const std::string& at) {
    places_.emplace_back(mailbox.address, at);
    all.push_back(std::move(mailbox));
  }

  void add_recipient(const std::string& address, const std::string& at) {
    auto& all = wish_.recipients;
    if (std::find(all.begin(), all.end(), address) != all.end()) return;
    if (all.size() == limits_.recipients)
      return fail(
          wrong(at, too_many_recipients(limits_), "send it in several requests, each with a key of its own"));
    all.push_back(address);
    wish_.places.push_back(at);
  }

  void read_envelope(const Json& json) {
    if (!json.contains("envelope")) return;
    static constexpr std::array<std::string_view, 2> known{"from", "to"};
    const Json& envelope = json["envelope"];
    if (!envelope.is_object()) return fail(wrong("/envelope", "is no object"));
    for (const auto& [name, value] : envelope.items()) look_at_name(name, "/envelope", known);
    if (envelope.contains("from")) {
      const auto written = string_at(envelope["from"], "/envelope/from");
      has_sender_ = true;
      if (written && !written->empty())
        if (auto address = address_in(*written, "/envelope/from")) wish_.sender = std::move(*address);
    }
    if (!envelope.contains("to")) return;
    const Json& to = envelope["to"];
    if (!to.is_array() || to.empty())
      return fail(wrong("/envelope/to", "is no array of at least one address"));
    for (std::size_t i = 0; i < to.size() && !mistake_; ++i) {
      const std::string at = "/envelope/to/" + std::to_string(i);
      const auto written = string_at(to[i], at);
      if (!written) return;
      if (auto address = address_in(*written, at)) add_recipient(*address, at);
    }
    has_recipients_ = true;
  }

  void read_tls(const Json& value) {
    const auto word = string_at(value, "/tls");
    if (!word) return;
    if (const auto need = tls_need_of(*word))
      wish_.tls = *need;
    else
      fail(wrong("/tls", "'" + text::printable(*word, 40) + "' is neither \"encrypt\" nor \"verify\""));
  }

  void read_time(const Json& value) {
    const auto written = string_at(value, "/send_at");
    if (!written) return;
    wish_.send_at = from_rfc3339(*written);
    if (!wish_.send_at) fail(no_time(unprocessable, "/send_at", *written));
  }

  void read_raw(const Json& json) {
    for (const char* part :
         {"attachments", "bcc", "cc", "from", "headers", "html", "reply_to", "subject", "text", "to"})
      if (json.contains(part))
        return fail(wrong(pointer("", part), "stands beside /raw, which is the whole message",
                          "put it into the message, or leave raw out"));
    if (!has_sender_ || !has_recipients_)
      return fail(wrong("/envelope", "is not whole: with raw it says from and to"));
    const auto written = string_at(json["raw"], "/raw");
    if (!written) return;
    auto message = text::from_base64(*written);
    if (!message) return fail(wrong("/raw", "is no base64 (RFC 4648 4) of a message"));
    wish_.message = std::move(*message);
    if (wish_.message.size() > limits_.message) fail(too_long(limits_));
  }

  std::optional<std::string> header_text(const Json& value, const std::string& at) {
    auto written = string_at(value, at);
    if (!written) return std::nullopt;
    if (has_controls(*written)) return fail(controls_at(at)), std::nullopt;
    if (written->size() > longest_value) return fail(wrong(at, "has more than 16384 octets")), std::nullopt;
    return written;
  }

  void read_parts(const Json& json) {
    Parts parts;
    if (!json.contains("from")) return fail(wrong("/from", "is missing", "say who the message is from"));
    auto from = mailbox_at(json["from"], "/from");
    if (!from) return;
    parts.from = std::move(*from);
    parts.to = mailboxes_at(json, "to");
    parts.cc = mailboxes_at(json, "cc");
    mailboxes_at(json, "bcc");  // in no field: they are told of by nobody
    if (!has_recipients_)
      for (const auto& [address, at] : places_) {
        if (mistake_) return;
        add_recipient(address, at);
      }
    if (wish_.recipients.empty())
      return fail(wrong("/to", "there is no recipient", "name one in to, cc, bcc or envelope.to"));
    parts.reply_to = mailboxes_at(json, "reply_to");
    if (!has_sender_) wish_.sender = parts.from.address;
    if (json.contains("subject")) parts.subject = header_text(json["subject"], "/subject");
    if (json.contains("text")) parts.text = string_at(json["text"], "/text");
    if (json.contains("html")) parts.html = string_at(json["html"], "/html");
    if (json.contains("headers")) read_headers(json["headers"], parts);
    if (json.contains("attachments")) read_attachments(json["attachments"], parts);
    if (!mistake_ && !parts.text && !parts.html && parts.attachments.empty())
      fail(wrong("/text", "there is no content", "say text, html or both; an empty one is one, too"));
    if (mistake_) return;
    std::array<std::uint8_t, 12> random{};
    random_bytes(random);
    wish_.message = compose(parts, text::hex(random));
    if (wish_.message.size() > limits_.message) fail(too_long(limits_));
  }

  void read_headers(const Json& headers, Parts& parts) {
    if (!headers.is_object() || headers.size() > most_headers)
      return fail(wrong("/headers", "is no object of at most " + std::to_string(most_headers) + " fields"));
    for (const auto& [name, value] : headers.items()) {
      const std::string at = pointer("/headers", name);
      const auto written = header_text(value, at);
      if (!written || !may_be_header(name, *written, at)) return;
      parts.headers.emplace_back(name, *written);
    }
  }

  bool may_be_header(const std::string& name, const std::string& value, const std::string& at) {
    static constexpr std::array<std::string_view, 8> ours{
        "From", "To", "Cc", "Bcc", "Reply-To", "Subject", "MIME-Version", "Return-Path"};
    static constexpr std::array<std::string_view, 3> free{"Comments", "Keywords", "Thread-Topic"};
    const auto is_in = [&](const auto& names) {
      return std::any_of(names.begin(), names.end(),
                         [&](std::string_view one) { return text::iequals(one, name); });
    };
    const bool good = !name.empty() && name.size() <= 76 && std::all_of(name.begin(), name.end(), [](char c) {
      return c > ' ' && c < '\x7f' && c != ':';
    });
    if (!good) return fail(wrong(at, "is no name that a header field may have (RFC 5322 2.2)")), false;
    if (is_in(ours) || text::istarts_with(name, "Content-") || text::istarts_with(name, "Resent-") ||
        text::iequals(name, "Received"))
      return fail(wrong(
                 at, "is no field that can be said here",
                 "from, to, cc, bcc, reply_to and subject are members of their own; what the content is "
                 "says the message itself")),
             false;
    const bool ascii = std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c < '\x7f'; });
    if (!ascii && !is_in(free) && !text::istarts_with(name, "X-"))
      return fail(wrong(at, "is beyond ASCII, in a field that may have a grammar of its own (RFC 2047 5)",
                        "encode it as that field wants it")),
             false;
    const std::vector<std::string_view> words = text::split(value, ' ');
    if (std::any_of(words.begin(), words.end(), [](std::string_view word) { return word.size() > 900; }))
      return fail(wrong(at, "has a word of more than 900 octets, which no line of a header can hold")), false;
    return true;
  }

  void read_attachments(const Json& list, Parts& parts) {
    static constexpr std::array<std::string_view, 4> known{"content", "content_id", "name", "type"};
    if (!list.is_array() || list.size() > most_attachments)
      return fail(
          wrong("/attachments", "is no array of at most " + std::to_string(most_attachments) + " objects"));
    for (std::size_t i = 0; i < list.size() && !mistake_; ++i) {
      const std::string at = "/attachments/" + std::to_string(i);
      const Json& one = list[i];
      if (!one.is_object()) return fail(wrong(at, "is no object"));
      for (const auto& [name, value] : one.items()) look_at_name(name, at, known);
      if (!one.contains("content")) return fail(wrong(at + "/content", "is missing"));
      Attachment attachment;
      if (one.contains("name")) attachment.name = header_text(one["name"], at + "/name").value_or("");
      attachment.type = one.contains("type") ? header_text(one["type"], at + "/type").value_or("")
                                             : std::string("application/octet-stream");
      if (one.contains("content_id"))
        attachment.content_id = header_text(one["content_id"], at + "/content_id").value_or("");
      const auto written = string_at(one["content"], at + "/content");
      if (mistake_ || !written) return;
      auto content = text::from_base64(*written);
      if (!content) return fail(wrong(at + "/content", "is no base64 (RFC 4648 4)"));
      attachment.content = std::move(*content);
      if (attachment.name.size() > longest_name) return fail(wrong(at + "/name", "has more than 255 octets"));
      if (!is_media_type(attachment.type))
        return fail(wrong(at + "/type", "is no media type such as \"application/pdf\"",
                          "leave parameters out; text of other types is attached as it is"));
      if (!is_content_id(attachment.content_id))
        return fail(wrong(at + "/content_id", "is none: letters, digits and . _ - + @ are, at most 200"));
      parts.attachments.push_back(std::move(attachment));
    }
  }

  // What is made of parts again, or is a message, cannot be base64 (RFC 2046 §5.1.1, §5.2.1).
  static bool is_media_type(std::string_view type) {
    const auto token = [](std::string_view text) {
      return !text.empty() && text.size() <= 100 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               std::string_view("!#$&^_.+-").find(c) != std::string_view::npos;
      });
    };
    const std::size_t slash = type.find('/');
    if (slash == std::string_view::npos || !token(type.substr(0, slash)) || !token(type.substr(slash + 1)))
      return false;
    return !text::istarts_with(type, "multipart/") && !text::istarts_with(type, "message/");
  }

  static bool is_content_id(std::string_view id) {
    return id.size() <= 200 && std::all_of(id.begin(), id.end(), [](char c) {
             return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    (c != '\0' && std::string_view("._-+@").find(c) != std::string_view::npos);
           });
  }

  const WishLimits& limits_;
  Wish wish_;
  bool has_sender_ = false, has_recipients_ = false;  // in the envelope
  std::vector<std::pair<std::string, std::string>>
      places_;  // addresses of to, cc and bcc, and where they stood
  std::optional<Mistake> mistake_;
};

}  // namespace

Expected<Wish, Mistake> read_json_wish(std::string_view body, const WishLimits& limits) {
  const auto json = parse_i_json(body, json_bounds);
  if (!json) {
    const std::string& why =
        json.error().detail;  // without what was read last: that is mail, and this goes to the log
    return Mistake(bad_request, "",
                   "the body is no JSON that is taken (RFC 7493): " + why.substr(0, why.find("; last read")));
  }
  return Reader(limits).read(*json);
}

}  // namespace sealpost::injection
