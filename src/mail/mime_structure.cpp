// SPDX-License-Identifier: Apache-2.0
#include "mail/mime_structure.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/mime_field.hpp"

namespace sealpost {
namespace {

constexpr std::size_t most_at_once = 8192;  // then it is given out in pieces
constexpr std::size_t most_field = 8192;    // octets of a field that are looked at
constexpr std::size_t most_depth = 50;
constexpr std::size_t most_entities = 10'000;

bool is_empty_line(std::string_view line) noexcept { return line == "\r\n" || line == "\n"; }

}  // namespace

MimeEntity MimeStructure::plain() {
  MimeEntity entity;
  entity.root = true;
  entity.type = "text/plain";
  entity.encoding = "7bit";
  return entity;
}

// ---- lines

// The next line off the front of `piece`, joined with what came before it; empty: it has no end yet.
std::string_view MimeStructure::cut(std::string_view& piece) {
  const std::size_t end = piece.find('\n');
  const bool ends = end != piece.npos;
  std::size_t length = ends ? end + 1 : piece.size();
  if (rest_.empty() && ends && length <= most_at_once) {
    const std::string_view line = piece.substr(0, length);
    piece.remove_prefix(length);
    whole_ = true;
    return line;
  }
  length = std::min(length, most_at_once - rest_.size());
  rest_ += piece.substr(0, length);
  piece.remove_prefix(length);
  const bool ended = rest_.ends_with('\n');
  whole_ = rest_.size() == most_at_once || ended;
  if (!whole_) return {};
  // A CR at the end of a piece may be half of the line's end: it waits for the other half.
  held_back_ = !ended && rest_.ends_with('\r') ? 1 : 0;
  return std::string_view(rest_).substr(0, rest_.size() - held_back_);
}

void MimeStructure::drop_line() noexcept {
  if (!std::exchange(whole_, false)) return;
  rest_.erase(0, rest_.size() - std::exchange(held_back_, 0));
}

// ---- what they are

MimeLine MimeStructure::take(std::string_view text) {
  if (header_ended_) enter();
  MimeLine line;
  line.text = text;
  line.continued = std::exchange(within_line_, !text.ends_with('\n'));
  if (!line.continued && take_delimiter(text)) {
    line.kind = MimeLine::Kind::delimiter;
  } else if (at_ == At::header) {
    line.kind = take_header(text, line.continued);
  } else if (at_ == At::beside) {
    line.kind = MimeLine::Kind::beside;
  }
  return line;
}

MimeLine::Kind MimeStructure::take_header(std::string_view text, bool continued) {
  if (!continued && is_empty_line(text)) {
    end_header();
    return MimeLine::Kind::header_end;
  }
  const bool folded = continued || (!field_.empty() && (text.front() == ' ' || text.front() == '\t'));
  if (!folded) end_field();
  if (field_.size() < most_field) field_ += text;
  return folded ? MimeLine::Kind::fold : MimeLine::Kind::field;
}

// RFC 2046 §5.1.2: the delimiter of an outer multipart also ends what is open within it.
bool MimeStructure::take_delimiter(std::string_view line) {
  if (open_.empty() || !line.starts_with("--")) return false;
  for (std::size_t i = open_.size(); i-- > 0;) {
    if (!line.starts_with(open_[i].delimiter)) continue;
    const std::string_view rest = text::trim(line.substr(open_[i].delimiter.size()), " \t\r\n");
    if (!rest.empty() && rest != "--") continue;
    if (at_ == At::header) end_header();
    header_ended_ = false;
    open_.resize(i + 1);
    nested_ = open_.back().messages;
    if (rest.empty()) {
      begin_entity(true);
    } else {
      open_.pop_back();
      at_ = At::beside;
    }
    return true;
  }
  return false;
}

void MimeStructure::begin_entity(bool part) {
  const bool digest = part && open_.back().digest;
  const std::size_t around = part ? open_.back().number : entity_.number;
  entity_ = plain();
  entity_.root = !part;
  entity_.parent = around;
  if (digest) entity_.type = "message/rfc822";
  entity_.number = entities_++;
  entity_.within_signed = !open_.empty() && open_.back().is_signed;
  boundary_.clear();
  at_ = At::header;
}

void MimeStructure::end_field() {
  const std::string_view field = field_;
  const std::size_t colon = field.find(':');
  if (colon != field.npos) {
    const std::string_view name = text::trim(field.substr(0, colon), " \t");
    const std::string_view value = field.substr(colon + 1);
    if (text::iequals(name, "Content-Type")) {
      const MimeField type(unfold(value, most_field));
      entity_.has_type = true;
      const std::string& named = type.value();
      if (!named.empty()) entity_.type = named.substr(0, named.find_first_of(" \t("));  // and a comment
      boundary_ = type.parameter("boundary");
    } else if (text::iequals(name, "Content-Transfer-Encoding")) {
      entity_.encoding = text::lower(text::trim(unfold(value, 64)));
    } else if (text::iequals(name, "MIME-Version")) {
      entity_.has_version = true;
    } else if (text::iequals(name, "DKIM-Signature") || text::iequals(name, "ARC-Message-Signature")) {
      entity_.signed_header = true;
    }
  }
  field_.clear();
}

// What the entity is, known now; what follows begins with the next line.
void MimeStructure::end_header() {
  end_field();
  header_ended_ = true;
  const bool parted = entity_.type.starts_with("multipart/") && !boundary_.empty();
  const bool message = entity_.type == "message/rfc822" || entity_.type == "message/global";
  if ((!parted && !message) || !entity_.is_identity()) return;
  if (open_.size() + nested_ >= most_depth || entities_ >= most_entities) {
    gave_up_ = true;
    return;
  }
  entity_.kind = parted ? MimeEntity::Kind::multipart : MimeEntity::Kind::message;
}

void MimeStructure::enter() {
  header_ended_ = false;
  switch (entity_.kind) {
    case MimeEntity::Kind::leaf: at_ = At::body; break;
    case MimeEntity::Kind::message:
      ++nested_;
      begin_entity(false);
      break;
    case MimeEntity::Kind::multipart:
      Open open;
      open.delimiter = "--" + boundary_;
      open.number = entity_.number;
      open.messages = nested_;
      open.is_signed = entity_.within_signed || entity_.type == "multipart/signed";
      open.digest = entity_.type == "multipart/digest";
      open_.push_back(std::move(open));
      at_ = At::beside;
  }
}

}  // namespace sealpost
