// SPDX-License-Identifier: Apache-2.0
//
// MimeStructure: follows a message in transit through its parts (RFC 2045 §5, §6; RFC 2046 §5.1, §5.2.1) while it passes in
// pieces of any size, and says of every line what it is. Kept are the field under way and the boundaries that are open,
// nothing else. What is no MIME is one body. Pure. For reading what was sent to us there is mime_parts.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sealpost {

struct MimeEntity {
  enum class Kind : std::uint8_t { leaf, multipart, message };  // message: one within another
  std::size_t number = 0;  // in the order in which they begin; 0: the message itself
  Kind kind = Kind::leaf;
  std::string type;                    // lower case; "text/plain" when nothing is said
  std::string encoding;                // Content-Transfer-Encoding, lower case; "7bit" when nothing is said
  bool has_type = false;               // Content-Type is there
  bool has_version = false;            // MIME-Version
  bool root = false;                   // of a message: it, or one within it
  std::size_t parent = 0;              // the number of what is around it; 0 also of the message itself
  bool within_signed = false;          // a multipart/signed is around it
  bool signed_header = false;          // a field of it holds a signature of header and body: DKIM, ARC
  bool is_identity() const noexcept {  // nothing is encoded (RFC 2045 §6.2)
    return encoding == "7bit" || encoding == "8bit" || encoding == "binary";
  }
};

struct MimeLine {
  enum class Kind : std::uint8_t {
    field,       // the first line of a header field, or a line that is none
    fold,        // a further one
    header_end,  // the empty line behind them
    delimiter,   // of a part
    beside,      // in front of the first part of a multipart, or behind the last
    body,
  };
  Kind kind = Kind::body;
  std::string_view
      text;  // with its CRLF (or LF); a line of more than 8 KiB comes in pieces, the last with its end
  bool continued = false;  // a further piece of a line
};

class MimeStructure {
 public:
  // Tells `each(line)` of every line that `piece` completes, in order. entity() is then the one it belongs to: known as a
  // whole from its header_end on, before that only by number and by what is around it.
  template <class Each>
  void add(std::string_view piece, Each each) {
    while (!piece.empty()) {
      const std::string_view line = cut(piece);
      if (!line.empty()) each(take(line));
      drop_line();
    }
  }
  // The end: a line without one.
  template <class Each>
  void finish(Each each) {
    if (!rest_.empty()) each(take(rest_));
    rest_.clear();
    if (at_ == At::header && !header_ended_) end_header();
  }

  const MimeEntity& entity() const noexcept { return entity_; }
  // Parts beyond what is followed (10,000 in all, 50 within each other) are part of the body they are in.
  bool gave_up() const noexcept { return gave_up_; }

 private:
  struct Open {
    std::string delimiter;  // "--" and the boundary
    std::size_t number = 0;
    std::size_t messages = 0;  // that it is within
    bool is_signed = false;
    bool digest = false;  // its parts are messages unless they say otherwise (RFC 2046 §5.1.5)
  };
  enum class At : std::uint8_t { header, beside, body };

  std::string_view cut(std::string_view& piece);
  void drop_line() noexcept;
  MimeLine take(std::string_view line);
  MimeLine::Kind take_header(std::string_view line, bool continued);
  bool take_delimiter(std::string_view line);
  void begin_entity(bool part);  // of a multipart; else a message within another
  void end_field();
  void end_header();
  void enter();
  static MimeEntity plain();

  std::string rest_;           // of a line that has no end yet
  bool whole_ = false;         // a line was given out
  std::size_t held_back_ = 0;  // octets at the end of rest_ that were not
  bool within_line_ = false;
  std::string field_;  // the one under way, with its folds
  std::vector<Open> open_;
  std::size_t nested_ = 0;  // messages around what is read
  std::size_t entities_ = 1;
  std::string boundary_;  // of entity_, while its header is read
  At at_ = At::header;
  bool header_ended_ = false;  // its entity is entered with the next line
  bool gave_up_ = false;
  MimeEntity entity_ = plain();
};

}  // namespace sealpost
