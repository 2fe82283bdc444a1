// SPDX-License-Identifier: Apache-2.0
#include "mail/mime_parts.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/mime_decode.hpp"
#include "mail/mime_field.hpp"

namespace sealpost {
namespace {

constexpr std::size_t most_part_field = 4096;

struct Head {
  MimeField type{"text/plain"}, disposition{""};
  std::string encoding = "7bit";
  std::size_t octets = 0;
};

Head read_head(std::string_view entity) {
  Head head;
  HeaderReader reader(entity);
  for (HeaderField field; reader.next(field);) {
    if (text::iequals(field.name, "Content-Type"))
      head.type = MimeField(unfold(field.value, most_part_field));
    if (text::iequals(field.name, "Content-Disposition"))
      head.disposition = MimeField(unfold(field.value, most_part_field));
    if (text::iequals(field.name, "Content-Transfer-Encoding"))
      head.encoding = text::lower(text::trim(unfold(field.value, 64)));
  }
  head.octets = reader.position();
  return head;
}

class Walker {
 public:
  explicit Walker(const MimeBounds& bounds) : bounds_(bounds) {}
  MimeParts take() { return std::move(found_); }

  // `message`: the one it is in.
  void entity(std::string_view text, std::string_view message, std::size_t depth) {
    const Head head = read_head(text);
    const std::string_view body = text.substr(std::min(head.octets, text.size()));
    const std::string boundary = head.type.parameter("boundary");
    const bool multipart = head.type.value().starts_with("multipart/") && !boundary.empty();
    const bool forwarded = head.type.value() == "message/rfc822";
    if (multipart && depth < bounds_.depth) return children(body, message, "--" + boundary, depth);
    if (forwarded && depth < bounds_.depth) return entity(body, body, depth + 1);
    if (multipart || forwarded || found_.parts.size() >= bounds_.parts) {
      ++found_.left_out;
      return;
    }
    MimePart part;
    part.type = head.type.value();
    part.name = head.disposition.parameter("filename");
    if (part.name.empty()) part.name = head.type.parameter("name");
    part.message = message;
    auto decoded = decode_body(body, head.encoding);
    if (decoded) {
      part.octets = std::move(decoded->octets);
      part.note = std::move(decoded->note);
    } else {
      part.octets = body;
      part.problem = "cannot be decoded as " + text::printable(head.encoding, 40);
    }
    found_.parts.push_back(std::move(part));
  }

 private:
  // RFC 2046 §5.1.1: the line end before a delimiter belongs to it. An end without closing delimiter ends the last part.
  void children(std::string_view body, std::string_view message, const std::string& delimiter,
                std::size_t depth) {
    std::size_t begin = std::string_view::npos;  // of the part being read
    std::size_t at = 0;
    while (at < body.size()) {
      const std::size_t end = body.find('\n', at);
      const std::size_t next = end == std::string_view::npos ? body.size() : end + 1;
      const std::string_view line = body.substr(at, next - at);
      if (line.starts_with(delimiter)) {
        const std::string_view rest = text::trim(line.substr(delimiter.size()), " \t\r\n");
        if (rest.empty() || rest == "--") {
          if (begin != std::string_view::npos)
            entity(without_line_end(body.substr(begin, at - begin)), message, depth + 1);
          begin = next;
          if (!rest.empty()) return;
        }
      }
      at = next;
    }
    if (begin != std::string_view::npos && begin < body.size())
      entity(body.substr(begin), message, depth + 1);
  }

  static std::string_view without_line_end(std::string_view text) {
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    return text;
  }

  const MimeBounds& bounds_;
  MimeParts found_;
};

}  // namespace

MimeParts mime_parts(std::string_view message, const MimeBounds& bounds) {
  Walker walker(bounds);
  walker.entity(message, message, 0);
  return walker.take();
}

std::vector<std::string_view> mbox_messages(std::string_view mbox) {
  std::vector<std::string_view> all;
  std::size_t begin = 0, at = 0;
  bool after_empty = true;
  const auto take = [&](std::size_t end) {
    const std::string_view piece = mbox.substr(begin, end - begin);
    const std::size_t line = std::min(piece.find('\n'), piece.size() - 1);  // the From_ line
    if (line + 1 < piece.size()) all.push_back(piece.substr(line + 1));
  };
  while (at < mbox.size()) {
    const std::size_t end = std::min(mbox.find('\n', at), mbox.size() - 1) + 1;
    const std::string_view line = mbox.substr(at, end - at);
    if (after_empty && line.starts_with(mbox_line) && at > begin) {
      take(at);
      begin = at;
    }
    after_empty = text::trim(line, "\r\n").empty();
    at = end;
  }
  if (begin < mbox.size()) take(mbox.size());
  return all;
}

}  // namespace sealpost
