// SPDX-License-Identifier: Apache-2.0
//
// A message (RFC 5322) from its parts: MIME of text, HTML and attachments (RFC 2045, RFC 2046), header fields beyond ASCII as
// encoded words (RFC 2047), file names beyond it by RFC 2231. Pure. All values have been looked at: none holds an octet that
// ends a line where none may end (request.cpp).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sealpost::injection {

struct Mailbox {
  std::string name;  // UTF-8; may be empty
  std::string address;
};

struct Attachment {
  std::string name;        // UTF-8, at most 255 octets; empty: none is said
  std::string type;        // "application/pdf"
  std::string content;     // decoded
  std::string content_id;  // set: it is shown within the HTML
};

struct Parts {
  Mailbox from;
  std::vector<Mailbox> to, cc, reply_to;
  std::optional<std::string> subject;
  std::vector<std::pair<std::string, std::string>> headers;  // further ones
  std::optional<std::string> text, html;                     // UTF-8
  std::vector<Attachment> attachments;
};

// `boundary`: letters and digits that occur in no part, 16 to 40 of them.
std::string compose(const Parts& parts, std::string_view boundary);

// "Name: value\r\n" with folds, as encoded words where it is beyond ASCII. A blank run stays as it is.
std::string unstructured_field(std::string_view name, std::string_view value);

}  // namespace sealpost::injection
