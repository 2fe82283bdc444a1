// SPDX-License-Identifier: Apache-2.0
#include "mail/seven_bit.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "mail/smtputf8.hpp"

namespace sealpost {
namespace {

constexpr std::size_t longest_encoded = 75;  // and "=" of a soft line break (RFC 2045 §6.7)
constexpr std::uint64_t header_room = 160;   // of the fields that an entity may get
constexpr std::uint64_t text_line = 998;     // octets without CRLF (RFC 5322 §2.1.1)
constexpr std::size_t base64_octets = 57;    // that give a line of 76 (RFC 2045 §6.8)

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

std::uint64_t base64_size(std::uint64_t octets) {
  return (octets + 2) / 3 * 4 + (octets / base64_octets + 1) * 2;
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
    found.calls_itself_binary = made_of_ == MadeOf::octets && entity.encoding == "binary";
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
  if (line.kind != MimeLine::Kind::body) {
    const bool beside = line.kind == MimeLine::Kind::beside;
    bad_header_ = bad_header_ || (!beside && line.text.find('\0') != std::string_view::npos);
    return;
  }
  if (made_of_ == MadeOf::octets) found.no_lines = is_no_line(line) || found.no_lines;
  found.eight_bit = found.eight_bit || !is_ascii(line.text);
  scratch_.clear();
  encode(line.text, column_, scratch_);
  found.octets += line.text.size();
  found.encoded += scratch_.size();
}

// NUL, a bare CR or LF, or more octets than a line may have. A piece never ends between CR and LF.
bool SevenBitScan::is_no_line(const MimeLine& line) {
  std::string_view text = line.text;
  if (!line.continued) line_ = 0;
  const bool ended = text.ends_with("\r\n");
  if (ended) text.remove_suffix(2);
  line_ += text.size();
  return line_ > text_line || text.find_first_of(std::string_view("\0\r\n", 3)) != std::string_view::npos;
}

SevenBitPlan::Change SevenBitScan::change_of(const Found& found) const noexcept {
  if (found.no_lines) return SevenBitPlan::Change::base64;
  if (found.eight_bit && takes_ == Takes::seven_bits) return SevenBitPlan::Change::encode;
  return found.calls_itself_binary ? SevenBitPlan::Change::relabel : SevenBitPlan::Change::none;
}

SevenBitPlan SevenBitScan::finish() {
  structure_.finish([this](const MimeLine& line) { look(line); });
  SevenBitPlan plan;
  plan.takes = takes_;
  plan.entities.resize(found_.size());
  plan.size = size_;
  for (std::size_t i = 0; i < found_.size(); ++i) {
    const Found& found = found_[i];
    // Its boundary never came, so nobody knows what its content is, and some programs show it.
    if (found.preamble && !found.parted) plan.possible = false;
    const SevenBitPlan::Change change = change_of(found);
    if (change == SevenBitPlan::Change::none) continue;
    plan.anything = true;
    plan.breaks_signature = plan.breaks_signature || found.within_signed;
    plan.entities[i].change = change;
    plan.size += header_room;
    if (change == SevenBitPlan::Change::relabel) continue;
    plan.possible = plan.possible && found.encodable;
    plan.entities[i].needs_type = !found.has_type;
    plan.size +=
        (change == SevenBitPlan::Change::base64 ? base64_size(found.octets) : found.encoded) - found.octets;
    // What is around it holds 7 bits then; numbers grow inwards, so this ends.
    for (std::size_t at = i;; at = found_[at].parent) {
      if (found_[at].root) plan.entities[at].needs_version = !found_[at].has_version;
      const bool relabelled =
          takes_ == Takes::seven_bits ? found_[at].labelled : found_[at].calls_itself_binary;
      if (at != i && relabelled) plan.entities[at].change = SevenBitPlan::Change::relabel;
      if (at == 0) break;
    }
  }
  plan.possible = plan.possible && !structure_.gave_up() && !bad_header_;
  plan.breaks_signature = plan.anything && (plan.breaks_signature || is_signed_);
  return plan;
}

// ---- the second

void SevenBitWriter::add(std::string_view piece, std::string& out) {
  structure_.add(piece, [&](const MimeLine& line) { write(line, out); });
}

void SevenBitWriter::finish(std::string& out) {
  structure_.finish([&](const MimeLine& line) { write(line, out); });
  if (std::exchange(held_crlf_, false)) write_base64("\r\n", out);  // nothing follows whose it could be
  end_base64(out);
}

void SevenBitWriter::write_base64(std::string_view text, std::string& out) {
  held_ += text;
  std::size_t from = 0;
  for (; held_.size() - from >= base64_octets; from += base64_octets)
    out.append(text::base64(std::string_view(held_).substr(from, base64_octets))).append("\r\n");
  held_.erase(0, from);
}

void SevenBitWriter::end_base64(std::string& out) {
  if (!std::exchange(in_base64_, false)) return;
  if (!held_.empty()) out.append(text::base64(held_)).append("\r\n");
  held_.clear();
  held_crlf_ = false;
}

void SevenBitWriter::write(const MimeLine& line, std::string& out) {
  const std::size_t number = structure_.entity().number;
  const SevenBitPlan::Entity entity =
      number < plan_.entities.size() ? plan_.entities[number] : SevenBitPlan::Entity();
  if (line.kind != MimeLine::Kind::body) end_base64(out);
  switch (line.kind) {
    case MimeLine::Kind::body:
      if (entity.change == SevenBitPlan::Change::base64) {
        in_base64_ = true;
        if (std::exchange(held_crlf_, false)) write_base64("\r\n", out);
        held_crlf_ = line.text.ends_with("\r\n");
        write_base64(line.text.substr(0, line.text.size() - (held_crlf_ ? 2 : 0)), out);
      } else if (entity.change == SevenBitPlan::Change::encode) {
        encode(line.text, column_, out);
      } else {
        out += line.text;
      }
      return;
    case MimeLine::Kind::beside:  // for nobody to read
      for (const char c : line.text) out += static_cast<unsigned char>(c) < 0x80 && c != '\0' ? c : '?';
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
    if (entity.change == SevenBitPlan::Change::base64) out += "Content-Transfer-Encoding: base64\r\n";
    if (entity.change == SevenBitPlan::Change::relabel && plan_.takes == Takes::eight_bits)
      out += "Content-Transfer-Encoding: 8bit\r\n";
    out += line.text;
    return;
  }
  if (line.kind == MimeLine::Kind::field)
    left_out_ =
        entity.change != SevenBitPlan::Change::none && is_named(line.text, "Content-Transfer-Encoding");
  if (!left_out_) out += line.text;
}

}  // namespace sealpost
