// SPDX-License-Identifier: Apache-2.0
#include "mail/seven_bit.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "mail/smtputf8.hpp"

namespace sealpost {
namespace {

constexpr std::size_t longest_encoded = 75;  // and "=" of a soft line break (RFC 2045 §6.7)
constexpr std::uint64_t header_room = 160;   // of the fields that an entity may get

// A line or a piece of one, quoted-printable; `column`: where the line stands.
void encode(std::string_view line, std::size_t& column, std::string& out) {
  constexpr std::string_view hex = "0123456789ABCDEF";
  const bool ends = line.ends_with('\n');
  std::string_view text = line;
  if (ends) text.remove_suffix(text.ends_with("\r\n") ? 2 : 1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto octet = static_cast<unsigned char>(text[i]);
    const bool blank = octet == ' ' || octet == '\t';
    bool plain = (octet > 0x20 && octet < 0x7f && octet != '=') || (blank && i + 1 < text.size());
    if (column + (plain ? 1 : 3) > longest_encoded) {
      out += "=\r\n";
      column = 0;
    }
    // Where a line begins that did not begin there before, it must not look like a delimiter.
    if (column == 0 && octet == '-') plain = false;
    const std::size_t width = plain ? 1 : 3;
    column += width;
    if (plain) {
      out += text[i];
    } else {
      out += '=';
      out += hex[octet >> 4];
      out += hex[octet & 15];
    }
  }
  if (!ends) return;
  out += "\r\n";
  column = 0;
}

bool is_named(std::string_view field, std::string_view name) {
  return text::iequals(text::trim(field.substr(0, std::min(field.find(':'), field.size()))), name);
}

}  // namespace

// ---- the first pass

void SevenBitScan::add(std::string_view piece) {
  structure_.add(piece, [this](const MimeLine& line) { look(line); });
}

void SevenBitScan::look(const MimeLine& line) {
  const MimeEntity& entity = structure_.entity();
  if (entity.number >= found_.size()) found_.resize(entity.number + 1);
  Found& found = found_[entity.number];
  size_ += line.text.size();
  if (line.kind == MimeLine::Kind::header_end) {
    const bool whole = entity.type != "message/partial" && entity.type != "message/external-body";
    found.parent = entity.parent;
    found.identity = entity.is_identity();
    found.encodable = found.identity && whole && !entity.type.starts_with("multipart/");
    found.labelled = found.identity && entity.encoding != "7bit";
    found.within_signed = entity.within_signed;
    found.has_type = entity.has_type;
    found.has_version = entity.has_version;
    found.root = entity.root;
    is_signed_ = is_signed_ || (entity.number == 0 && entity.signed_header);
    column_ = 0;
  }
  if (!entity.root) found_[entity.parent].parted = true;
  // Behind the last part that one is still the entity, which is no multipart.
  if (line.kind == MimeLine::Kind::beside && entity.kind == MimeEntity::Kind::multipart)
    found.preamble = found.preamble || !is_ascii(line.text);
  if (line.kind != MimeLine::Kind::body) return;
  found.eight_bit = found.eight_bit || !is_ascii(line.text);
  scratch_.clear();
  encode(line.text, column_, scratch_);
  found.octets += line.text.size();
  found.encoded += scratch_.size();
}

SevenBitPlan SevenBitScan::finish() {
  structure_.finish([this](const MimeLine& line) { look(line); });
  SevenBitPlan plan;
  plan.entities.resize(found_.size());
  plan.size = size_;
  for (std::size_t i = 0; i < found_.size(); ++i) {
    const Found& found = found_[i];
    // Its boundary never came, so nobody knows what its content is, and some programs show it.
    if (found.preamble && !found.parted) plan.possible = false;
    if (!found.eight_bit) continue;
    plan.anything = true;
    plan.possible = plan.possible && found.encodable;
    plan.breaks_signature = plan.breaks_signature || found.within_signed;
    plan.entities[i].change = SevenBitPlan::Change::encode;
    plan.entities[i].needs_type = !found.has_type;
    plan.size += found.encoded - found.octets + header_room;
    // What is around it holds 7 bits then; numbers grow inwards, so this ends.
    for (std::size_t at = i;; at = found_[at].parent) {
      if (found_[at].root) plan.entities[at].needs_version = !found_[at].has_version;
      if (at != i && found_[at].labelled) plan.entities[at].change = SevenBitPlan::Change::relabel;
      if (at == 0) break;
    }
  }
  plan.possible = plan.possible && !structure_.gave_up();
  plan.breaks_signature = plan.anything && (plan.breaks_signature || is_signed_);
  return plan;
}

// ---- the second

void SevenBitWriter::add(std::string_view piece, std::string& out) {
  structure_.add(piece, [&](const MimeLine& line) { write(line, out); });
}

void SevenBitWriter::finish(std::string& out) {
  structure_.finish([&](const MimeLine& line) { write(line, out); });
}

void SevenBitWriter::write(const MimeLine& line, std::string& out) {
  const std::size_t number = structure_.entity().number;
  const SevenBitPlan::Entity entity =
      number < plan_.entities.size() ? plan_.entities[number] : SevenBitPlan::Entity();
  switch (line.kind) {
    case MimeLine::Kind::body:
      if (entity.change == SevenBitPlan::Change::encode)
        encode(line.text, column_, out);
      else
        out += line.text;
      return;
    case MimeLine::Kind::beside:  // for nobody to read
      for (const char c : line.text) out += static_cast<unsigned char>(c) < 0x80 ? c : '?';
      return;
    case MimeLine::Kind::delimiter: out += line.text; return;
    case MimeLine::Kind::field:
    case MimeLine::Kind::fold:
    case MimeLine::Kind::header_end: write_field(line, entity, out);
  }
}

void SevenBitWriter::write_field(const MimeLine& line, const SevenBitPlan::Entity& entity, std::string& out) {
  if (line.kind == MimeLine::Kind::header_end) {
    left_out_ = false;
    column_ = 0;
    if (entity.needs_version) out += "MIME-Version: 1.0\r\n";
    if (entity.needs_type) out += "Content-Type: text/plain; charset=unknown-8bit\r\n";  // RFC 1428 §3
    if (entity.change == SevenBitPlan::Change::encode)
      out += "Content-Transfer-Encoding: quoted-printable\r\n";
    out += line.text;
    return;
  }
  if (line.kind == MimeLine::Kind::field)
    left_out_ =
        entity.change != SevenBitPlan::Change::none && is_named(line.text, "Content-Transfer-Encoding");
  if (!left_out_) out += line.text;
}

}  // namespace sealpost
