// SPDX-License-Identifier: Apache-2.0
#include "mail/mime_parts.hpp"

#include <algorithm>
#include <optional>

#include "base/text.hpp"
#include "mail/header.hpp"

namespace sealpost {
namespace {

constexpr std::size_t most_field = 4096;

// "value; name=word; name=\"quoted\"": the value in lower case and the parameters asked for.
class StructuredField {
 public:
  explicit StructuredField(std::string text) : text_(std::move(text)) {
    at_ = std::min(text_.find(';'), text_.size());
    value_ = text::lower(text::trim(std::string_view(text_).substr(0, at_)));
  }
  const std::string& value() const { return value_; }

  std::string parameter(std::string_view wanted) const {
    std::size_t at = at_;
    while (at < text_.size()) {
      at = text_.find_first_not_of("; \t", at);
      if (at == std::string::npos) break;
      const std::size_t equals = text_.find_first_of("=;", at);
      if (equals == std::string::npos) break;
      const std::string_view name = text::trim(std::string_view(text_).substr(at, equals - at));
      at = equals;
      if (text_[equals] == ';') continue;
      std::string content = word(++at);
      if (text::iequals(name, wanted)) return content;
    }
    return {};
  }

 private:
  std::string word(std::size_t& at) const {
    while (at < text_.size() && (text_[at] == ' ' || text_[at] == '\t')) ++at;
    std::string content;
    if (at < text_.size() && text_[at] == '"') {
      for (++at; at < text_.size() && text_[at] != '"'; ++at) {
        if (text_[at] == '\\' && at + 1 < text_.size()) ++at;
        content += text_[at];
      }
      at = std::min(at + 1, text_.size());
      return content;
    }
    const std::size_t end = std::min(text_.find(';', at), text_.size());
    content = text::trim(std::string_view(text_).substr(at, end - at));
    at = end;
    return content;
  }

  std::string text_, value_;
  std::size_t at_ = 0;
};

struct Head {
  StructuredField type{"text/plain"}, disposition{""};
  std::string encoding = "7bit";
  std::size_t octets = 0;
};

Head read_head(std::string_view entity) {
  Head head;
  HeaderReader reader(entity);
  for (HeaderField field; reader.next(field);) {
    if (text::iequals(field.name, "Content-Type"))
      head.type = StructuredField(unfold(field.value, most_field));
    if (text::iequals(field.name, "Content-Disposition"))
      head.disposition = StructuredField(unfold(field.value, most_field));
    if (text::iequals(field.name, "Content-Transfer-Encoding"))
      head.encoding = text::lower(text::trim(unfold(field.value, 64)));
  }
  head.octets = reader.position();
  return head;
}

std::optional<std::string> decode_base64(std::string_view body) {
  std::string plain;
  plain.reserve(body.size());
  for (const char c : body) {
    if (c != '\r' && c != '\n' && c != ' ' && c != '\t') plain += c;
  }
  return text::from_base64(plain);
}

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = text::lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// RFC 2045 §6.7: soft line ends go, blanks before a line end are the transport's.
std::string decode_quoted_printable(std::string_view body) {
  std::string out;
  while (!body.empty()) {
    const std::size_t end = body.find('\n');
    const bool last = end == std::string_view::npos;
    std::string_view line = text::trim(body.substr(0, end), "\r");
    while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
    const bool soft = line.ends_with('=');
    if (soft) line.remove_suffix(1);
    for (std::size_t i = 0; i < line.size(); ++i) {
      const int high = line[i] == '=' && i + 2 < line.size() ? hex_value(line[i + 1]) : -1;
      const int low = high >= 0 ? hex_value(line[i + 2]) : -1;
      if (low >= 0) {
        out += static_cast<char>(high * 16 + low);
        i += 2;
      } else {
        out += line[i];
      }
    }
    if (!soft && !last) out += "\r\n";
    body.remove_prefix(last ? body.size() : end + 1);
  }
  return out;
}

std::optional<std::string> decoded(std::string_view body, const std::string& encoding) {
  if (encoding == "base64") return decode_base64(body);
  if (encoding == "quoted-printable") return decode_quoted_printable(body);
  if (encoding == "7bit" || encoding == "8bit" || encoding == "binary") return std::string(body);
  return std::nullopt;
}

class Walker {
 public:
  explicit Walker(const MimeBounds& bounds) : bounds_(bounds) {}
  std::vector<MimePart> take() { return std::move(parts_); }

  void entity(std::string_view text, std::size_t depth) {
    const Head head = read_head(text);
    const std::string_view body = text.substr(std::min(head.octets, text.size()));
    const std::string boundary = head.type.parameter("boundary");
    const bool multipart = head.type.value().starts_with("multipart/") && !boundary.empty();
    if (multipart && depth < bounds_.depth) return children(body, "--" + boundary, depth);
    if (head.type.value() == "message/rfc822" && depth < bounds_.depth) return entity(body, depth + 1);
    if (multipart || parts_.size() >= bounds_.parts) return;
    auto octets = decoded(body, head.encoding);
    if (!octets) return;
    MimePart part;
    part.type = head.type.value();
    part.name = head.disposition.parameter("filename");
    if (part.name.empty()) part.name = head.type.parameter("name");
    part.octets = std::move(*octets);
    parts_.push_back(std::move(part));
  }

 private:
  // RFC 2046 §5.1.1: the line end before a delimiter belongs to it. An end without closing delimiter ends the last part.
  void children(std::string_view body, const std::string& delimiter, std::size_t depth) {
    std::size_t begin = std::string_view::npos;  // of the part being read
    std::size_t at = 0;
    while (at < body.size() && parts_.size() < bounds_.parts) {
      const std::size_t end = body.find('\n', at);
      const std::size_t next = end == std::string_view::npos ? body.size() : end + 1;
      const std::string_view line = body.substr(at, next - at);
      if (line.starts_with(delimiter)) {
        const std::string_view rest = text::trim(line.substr(delimiter.size()), " \t\r\n");
        if (rest.empty() || rest == "--") {
          if (begin != std::string_view::npos)
            entity(without_line_end(body.substr(begin, at - begin)), depth + 1);
          begin = next;
          if (!rest.empty()) return;
        }
      }
      at = next;
    }
    if (begin != std::string_view::npos && begin < body.size()) entity(body.substr(begin), depth + 1);
  }

  static std::string_view without_line_end(std::string_view text) {
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    return text;
  }

  const MimeBounds& bounds_;
  std::vector<MimePart> parts_;
};

}  // namespace

std::vector<MimePart> mime_parts(std::string_view message, const MimeBounds& bounds) {
  Walker walker(bounds);
  walker.entity(message, 0);
  return walker.take();
}

}  // namespace sealpost
