// SPDX-License-Identifier: Apache-2.0
//
// Reading the header of a message in transit (RFC 5322 §2.2), bounded: what the relay itself must know of it.
// Nothing is decoded or changed. Tolerant, since a relay passes on what it does not understand: a line that
// is no field is skipped.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sealpost {

constexpr std::size_t header_scan_cap = 256 * 1024;  // octets looked at

struct HeaderField {
  std::string_view name;   // as written, without blanks before the colon
  std::string_view value;  // after the colon, folds included, without the last line end
};

// Fields of `message` in order, up to the empty line, the end or the cap. Lines end in CRLF (LF is
// understood).
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view message) noexcept;
  bool next(HeaderField& field) noexcept;
  std::size_t position() const noexcept { return at_; }  // octets read; at the end, those of the whole header

 private:
  std::string_view line() noexcept;
  std::string_view text_;
  std::size_t at_ = 0;
};

// Octets of the header with the empty line behind it; all of `message` when there is none.
std::size_t header_octets(std::string_view message) noexcept;
// Folds removed, runs of blanks as one, trimmed, cut at `most` octets.
std::string unfold(std::string_view value, std::size_t most = 998);
// The first field of that name (any case), unfolded.
std::optional<std::string> find_field(std::string_view message, std::string_view name);

// What the relay looks for in a message it accepts, in one pass.
struct HeadFacts {
  std::size_t header_octets = 0;  // with the empty line, when it was reached
  unsigned received = 0;          // Received fields: hops so far (T-38, M17)
  std::string message_id;         // "<...>" or empty; printable ASCII
  bool has_date = false, has_from = false;
  bool tls_required_no = false;  // exactly one TLS-Required field and its value is "No" (RFC 8689 §3, T6)
  bool auto_submitted = false;   // Auto-Submitted other than "no" (RFC 3834)
};
HeadFacts scan_head(std::string_view message);
// Of "<...>", for Envelope::message_id; zeros for "".
std::array<std::uint8_t, 16> digest_of_message_id(std::string_view message_id);

}  // namespace sealpost
