// SPDX-License-Identifier: Apache-2.0
#include "web/html.hpp"

#include <array>

#include "base/text.hpp"
#include "base/words.hpp"

namespace sealpost::web {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";

// Characters that change how their neighbours are shown: a name could be read from its end, and look like another.
constexpr bool turns_text(std::uint32_t code) noexcept {
  return (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0x200e ||
         code == 0x200f || code == 0x061c;
}

constexpr bool is_control(std::uint32_t code) noexcept {
  return (code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7f && code < 0xa0) || code == 0x2028 ||
         code == 0x2029 || code == 0xfeff || (code & 0xfffe) == 0xfffe;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto unit = text::decode_utf8(text);
    const std::string_view octets = text.substr(0, unit.length);
    text.remove_prefix(unit.length);
    if (!unit.well_formed || is_control(unit.code) || turns_text(unit.code)) {
      out += replacement;
      continue;
    }
    switch (unit.code) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += octets;
    }
  }
  return out;
}

// RFC 3986 §2.3.
std::string percent_encoded(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF", kept = "-._~";
  std::string out;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       kept.find(c) != std::string_view::npos;
    if (plain)
      out += c;
    else
      out.append(1, '%').append(1, digits[octet >> 4U]).append(1, digits[octet & 15U]);
  }
  return out;
}

Url::Written Url::with(std::string_view key, std::string_view value) const {
  return Written(*this).with(key, value);
}

Url::Written Url::Written::with(std::string_view key, std::string_view value) const {
  Written more = *this;
  if (value.empty()) return more;
  more.text_ += more.text_.find('?') == std::string::npos ? '?' : '&';
  more.text_ += percent_encoded(key) + "=" + percent_encoded(value);
  return more;
}

Url::Written Url::Written::here(std::string_view id) {
  Written place;
  place.text_ = "#" + percent_encoded(id);
  return place;
}

void Html::open(std::string_view tag, Attributes attributes, std::string_view address_key,
                std::string_view address) {
  text_.append("<").append(tag);
  if (!address_key.empty())
    text_.append(" ").append(address_key).append("=\"").append(escaped(address)).append("\"");
  for (const Attribute& one : attributes)
    text_.append(" ").append(one.key).append("=\"").append(escaped(one.value)).append("\"");
  text_ += '>';
}

void Html::close(std::string_view tag) { text_.append("</").append(tag).append(">"); }

void Html::end() {
  if (open_.empty()) return;
  close(open_.back());
  open_.pop_back();
}

Html::Element Html::in_form(const Url& action, bool posts) {
  if (posts)
    open("form", {{"method", "post"}, {"accept-charset", "utf-8"}}, "action", action.path());
  else
    open("form", {{"method", "get"}}, "action", action.path());
  return Element(*this, "form");
}

Html::Element Html::in_link(const Url::Written& to, Attributes attributes) {
  open("a", attributes, "href", to.text());
  return Element(*this, "a");
}

void Html::put(Tag tag, std::string_view text) { put(tag, {}, text); }

void Html::put(Tag tag, Attributes attributes, std::string_view text) {
  open(tag.text, attributes, {}, {});
  text_ += escaped(text);
  close(tag.text);
}

void Html::link(const Url::Written& to, std::string_view text, Attributes attributes) {
  const auto element = in_link(to, attributes);
  text_ += escaped(text);
}

void Html::number(std::uint64_t number) { text_ += text::grouped(number); }

void Html::refresh(unsigned seconds) {
  text_ += "<meta http-equiv=\"refresh\" content=\"" + std::to_string(seconds) + "\">";
}

void Html::style_sheet(const Url& at) { open("link", {{"rel", "stylesheet"}}, "href", at.path()); }

void Html::icon(const Url& at) {
  open("link", {{"rel", "icon"}, {"type", "image/svg+xml"}}, "href", at.path());
}

}  // namespace sealpost::web
