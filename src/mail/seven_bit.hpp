// SPDX-License-Identifier: Apache-2.0
//
// 8-bit mail for a host that takes 7 bits (RFC 6152 §3): parts whose content is beyond ASCII become quoted-printable (RFC 2045
// §6.7), which says the same line by line, and everything else stays octet for octet. In two passes over the same octets, since
// a header stands in front of what it speaks of: the first finds what has to change, the second changes it. Header fields
// beyond ASCII stay as they are: nobody can say in which charset they are.
//
// Binary mail (RFC 3030 §3) for a host that takes lines is changed by the same two passes: a part that is not made of lines, of
// at most 998 octets, ended by CRLF and without NUL, becomes base64, and whatever calls itself binary gets another label. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mail/mime_structure.hpp"

namespace sealpost {

// What the host takes, and what the message is: BODY=BINARYMIME is octets.
enum class Takes : std::uint8_t { seven_bits, eight_bits };
enum class MadeOf : std::uint8_t { lines, octets };

struct SevenBitPlan {
  enum class Change : std::uint8_t {
    none,
    encode,   // as quoted-printable
    base64,   // what is not made of lines
    relabel,  // it is around something that is encoded, or calls itself binary without need
  };
  struct Entity {
    Change change = Change::none;
    bool needs_type = false, needs_version = false;  // fields without which the encoding means nothing
  };
  Takes takes = Takes::seven_bits;
  std::vector<Entity> entities;  // by MimeEntity::number
  std::uint64_t size = 0;        // octets of the result, or a few more
  bool anything = false;         // something has to change
  bool possible =
      true;  // false: more parts than are followed, or content that may not be encoded, or is already and wrongly
  bool breaks_signature = false;  // DKIM's or ARC's, or that of a multipart/signed
};

class SevenBitScan {
 public:
  explicit SevenBitScan(Takes takes = Takes::seven_bits, MadeOf made_of = MadeOf::lines)
      : takes_(takes), made_of_(made_of) {}
  void add(std::string_view piece);
  SevenBitPlan finish();  // once

 private:
  struct Found {
    std::size_t parent = 0;
    bool eight_bit = false, encodable = true, identity = true, labelled = false, within_signed = false;
    bool has_type = false, has_version = false, root = false;
    bool calls_itself_binary = false, no_lines = false;
    bool preamble = false,
         parted = false;  // a multipart with 8-bit octets in front of its first part; it has a part
    std::uint64_t octets = 0, encoded = 0;
  };
  void look(const MimeLine& line);
  bool is_no_line(const MimeLine& line);
  SevenBitPlan::Change change_of(const Found& found) const noexcept;

  Takes takes_;
  MadeOf made_of_;
  MimeStructure structure_;
  std::vector<Found> found_;
  std::uint64_t line_ = 0;   // octets of the line under way
  bool bad_header_ = false;  // NUL in the header of a part
  std::uint64_t size_ = 0;
  std::size_t column_ = 0;
  std::string scratch_;
  bool is_signed_ = false;
};

class SevenBitWriter {
 public:
  explicit SevenBitWriter(const SevenBitPlan& plan) : plan_(plan) {}  // which outlives it
  void add(std::string_view piece, std::string& out);
  void finish(std::string& out);

 private:
  void write(const MimeLine& line, std::string& out);
  void write_base64(std::string_view text, std::string& out);
  void end_base64(std::string& out);
  void write_field(const MimeLine& line, const SevenBitPlan::Entity& entity, std::string& out);

  const SevenBitPlan& plan_;
  MimeStructure structure_;
  std::size_t column_ = 0;
  bool left_out_ = false;  // the field under way
  bool in_base64_ = false;
  bool held_crlf_ =
      false;          // of the content, unless a delimiter follows, whose CRLF it is then (RFC 2046 §5.1.1)
  std::string held_;  // octets of the line of base64 under way
};

}  // namespace sealpost
