// SPDX-License-Identifier: Apache-2.0
#include "importing/written.hpp"

#include "base/text.hpp"
#include "rules/partner_text.hpp"

namespace sealpost::importing {
namespace {

std::string_view begins(Remark::Kind kind) {
  switch (kind) {
    case Remark::Kind::note: return "";
    case Remark::Kind::stronger: return "asks for more: ";
    case Remark::Kind::left_out: return "left out: ";
  }
  return "";
}

std::string file_heading(const Import& import, const Origin& origin) {
  using Kind = Remark::Kind;
  std::string text =
      rules::comment_lines("Partner rules made of " + std::string(in_words(origin.format)) + ", " +
                           text::printable(origin.file, 300) + " (SHA-256 " + origin.sha256.substr(0, 12) +
                           "), on " + to_utc_day(origin.when) + ".");
  text += rules::comment_lines(
      "Not in force. Read it through; give each rule an owner, a reference and a review_by; see 'sealpost "
      "check FILE', 'sealpost policy "
      "replay --rule FILE' and 'sealpost policy probe DOMAIN --rule FILE'; then move it into the folder that "
      "[policies] "
      "directory names, and reload.");
  text += rules::comment_lines(
      "Of " + std::to_string(import.entries) + " entries " + std::to_string(import.rules.size()) +
      " rules were made. It was told " + std::to_string(import.count(Kind::left_out)) +
      " times that something is left out, and " + std::to_string(import.count(Kind::stronger)) +
      " times that a rule asks for more than the source. How each is read: docs/importing.md.");
  return text;
}

}  // namespace

std::string in_words(const Remark& remark) {
  std::string words;
  if (remark.line != 0) words += "line " + std::to_string(remark.line) + ": ";
  if (!remark.key.empty()) words += remark.key + ": ";
  words += begins(remark.kind);
  words += remark.text;
  return remark.remedy.empty() ? words : words + "; " + remark.remedy;
}

std::string partner_file(const Import& import, const Origin& origin) {
  std::string text = file_heading(import, origin);
  if (!import.remarks.empty()) text += "#\n";
  for (const Remark& remark : import.remarks) text += rules::comment_lines("- " + in_words(remark));
  for (const ImportedRule& imported : import.rules) {
    text += '\n';
    for (const Remark& remark : imported.remarks) text += rules::comment_lines(in_words(remark));
    if (imported.remarks.empty() && imported.line != 0)
      text += rules::comment_lines("line " + std::to_string(imported.line));
    text += rules::partner_text(imported.rule);
  }
  return text;
}

}  // namespace sealpost::importing
