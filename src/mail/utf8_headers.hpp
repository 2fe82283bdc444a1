// SPDX-License-Identifier: Apache-2.0
//
// Utf8Headers: what a message says beyond ASCII in its header and in those of its parts (RFC 6532), learned while it passes. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/text.hpp"
#include "mail/mime_structure.hpp"

namespace sealpost {

class Utf8Headers {
 public:
  void add(std::string_view piece) {
    structure_.add(piece, [this](const MimeLine& line) { look(line); });
  }
  void finish() {
    structure_.finish([this](const MimeLine& line) { look(line); });
    well_formed_ = well_formed_ && text::is_utf8(field_);  // it may end within a character
  }

  bool beyond_ascii() const noexcept {
    return beyond_ascii_;
  }  // RFC 6531 §3.4: whom it is handed to must offer SMTPUTF8
  bool well_formed() const noexcept { return well_formed_; }  // it is UTF-8

 private:
  void look(const MimeLine& line);

  MimeStructure structure_;
  std::string field_;  // the end of a line that came in pieces, when it may go on within a character
  bool beyond_ascii_ = false;
  bool well_formed_ = true;
};

}  // namespace sealpost
