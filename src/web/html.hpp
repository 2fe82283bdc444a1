// SPDX-License-Identifier: Apache-2.0
//
// Writing HTML and SVG so that what comes from outside is text wherever it lands. Names of elements and attributes are
// literals, checked while compiling: none that could carry script or style, and none that takes an address, which are
// written by Url alone. Everything else is escaped on its way in, and elements close by themselves.
//
//   Html html;
//   {
//     const auto row = html.in("tr", {{"class", "bad"}});
//     html.put("td", reason);                             // text, whatever it holds
//     html.link(Url("/queue").with("domain", domain), domain);
//   }
//   std::string page = html.take();
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sealpost::web {

namespace detail {
// Calling one of these while compiling is the error message.
inline void not_a_name_of_an_element() {}
inline void not_an_attribute_that_may_be_written() {}
inline void not_a_path_of_ours() {}

constexpr bool is_name(std::string_view name) noexcept {
  for (const char c : name)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
      return false;
  return !name.empty();
}
constexpr bool may_be_written(std::string_view key) noexcept {
  for (const std::string_view never : {"style", "href", "src", "srcdoc", "srcset", "action", "formaction",
                                       "data", "poster", "ping", "background", "http-equiv"})
    if (key == never) return false;
  return is_name(key) && !key.starts_with("on");
}
}  // namespace detail

class Tag {
 public:
  consteval Tag(const char* name) : text(name) {  // NOLINT: a literal is one
    if (!detail::is_name(text) || text == "script" || text == "style" || text == "iframe" || text == "object")
      detail::not_a_name_of_an_element();
  }
  std::string_view text;
};

class Key {
 public:
  consteval Key(const char* key) : text(key) {  // NOLINT: a literal is one
    if (!detail::may_be_written(text)) detail::not_an_attribute_that_may_be_written();
  }
  std::string_view text;
};

// A place on this site: a path that is a literal, and a query whose values may be anything.
class Url {
 public:
  consteval explicit Url(const char* path) : path_(path) {
    const bool ours = path_.starts_with("/") && !path_.starts_with("//");
    for (const char c : path_)
      if (!(detail::is_name(std::string_view(&c, 1)) || c == '/' || c == '.' || c == '_'))
        detail::not_a_path_of_ours();
    if (!ours) detail::not_a_path_of_ours();
  }
  class Written;
  Written with(std::string_view key, std::string_view value) const;
  std::string_view path() const noexcept { return path_; }

 private:
  std::string_view path_;
};

class Url::Written {
 public:
  Written(const Url& url) : text_(url.path()) {}  // NOLINT: the same place
  // One with an empty value is left out.
  Written with(std::string_view key, std::string_view value) const;
  static Written here(std::string_view id);  // on the page that it stands on
  const std::string& text() const noexcept { return text_; }

 private:
  Written() = default;
  std::string text_;
};

struct Attribute {
  Attribute(Key key_, std::string_view value_) : key(key_.text), value(value_) {}
  Attribute(Key key_, const char* value_) : key(key_.text), value(value_) {}
  Attribute(Key key_, const std::string& value_) : key(key_.text), value(value_) {}
  template <class Number>
  requires std::integral<Number> Attribute(Key key_, Number value_)
      : key(key_.text), value(std::to_string(value_)) {}
  explicit Attribute(Key key_) : key(key_.text) {}  // one that is there or is not
  std::string_view key;
  std::string value;
};
using Attributes = std::initializer_list<Attribute>;

// For text and attribute values alike. What is no UTF-8, control characters, and those that turn the direction of what
// follows become U+FFFD.
std::string escaped(std::string_view text);
std::string percent_encoded(std::string_view text);

class Html {
 public:
  Html() = default;
  // What is open there ends here: a page that is given away from the middle of an element is whole all the same.
  Html(Html&& other) noexcept : text_(other.take()) {}
  Html& operator=(Html&& other) noexcept {
    text_ = other.take();
    open_.clear();
    return *this;
  }
  Html(const Html&) = delete;
  Html& operator=(const Html&) = delete;

  class [[nodiscard]] Element {
   public:
    Element(Html& html, std::string_view tag) : html_(html) { html_.open_.push_back(tag); }
    Element(const Element&) = delete;
    Element& operator=(const Element&) = delete;
    ~Element() { html_.end(); }

   private:
    Html& html_;
  };
  // Until the end of the block.
  Element in(Tag tag, Attributes attributes = {}) {
    open(tag.text, attributes, {}, {});
    return Element(*this, tag.text);
  }
  Element in_form(const Url& action, bool posts);  // GET or POST, to ourselves
  Element in_link(const Url::Written& to, Attributes attributes = {});
  void put(Tag tag, std::string_view text);
  void put(Tag tag, Attributes attributes, std::string_view text);
  void alone(Tag tag, Attributes attributes = {}) {
    open(tag.text, attributes, {}, {});
  }  // br, input, meta ...
  void link(const Url::Written& to, std::string_view text, Attributes attributes = {});
  void text(std::string_view text) { text_ += escaped(text); }
  void number(std::uint64_t number);  // 1,128
  // A page that is asked for again, every so many seconds.
  void refresh(unsigned seconds);
  void style_sheet(const Url& at);
  void icon(const Url& at);
  void add(Html&& other) { text_ += other.take(); }

  const std::string& written() const noexcept { return text_; }
  std::string take() noexcept {  // with what is open ended
    while (!open_.empty()) end();
    return std::exchange(text_, std::string());
  }

 private:
  void open(std::string_view tag, Attributes attributes, std::string_view address_key,
            std::string_view address);
  void close(std::string_view tag);
  void end();  // the innermost; nothing, when it was ended by take()

  std::string text_;
  std::vector<std::string_view> open_;
};

}  // namespace sealpost::web
