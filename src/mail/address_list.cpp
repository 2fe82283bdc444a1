// SPDX-License-Identifier: Apache-2.0
#include "mail/address_list.hpp"

#include "mail/field_words.hpp"

#include <cstddef>
#include <utility>

namespace sealpost {
namespace {

// What blanks around it do not part from its neighbours: specials, but for the quotes of a word.
class Walk {
 public:
  explicit Walk(std::string_view text) : text_(text) {}

  std::vector<std::string> all() {
    while (at_ < text_.size()) step();
    end_entry();
    return std::move(found_);
  }

 private:
  void step() {
    const char c = text_[at_];
    std::string& into = in_angle_ ? angle_ : plain_;
    if (c == '(') return skip_comment();
    if (c == '"') return take_until(into, '"');
    if (c == '[') return take_until(into, ']');
    ++at_;
    if (is_space(c)) {
      blank_ = true;
      return;
    }
    // Two words are no address, and are not made one: blanks go only where they may stand (RFC 5322 §4.4).
    if (std::exchange(blank_, false) && is_word(c) && !into.empty() && is_word(into.back())) into += ' ';
    if (in_angle_) {
      if (c == '>') in_angle_ = false;
      if (c == ':') angle_.clear();  // an obsolete route, "@a,@b:", is no part of the address
      if (c != '>' && c != ':') angle_ += c;
    } else if (c == '<') {
      in_angle_ = has_angle_ = true;
    } else if (c == ':') {
      plain_.clear();  // the name of a group
    } else if (c == ',' || c == ';') {
      end_entry();
    } else {
      plain_ += c;
    }
  }

  // One that never ends is none, and what stands in it no address.
  void skip_comment() {
    const std::size_t begin = at_;
    for (unsigned depth = 0; at_ < text_.size();) {
      const char c = text_[at_++];
      if (c == '\\') ++at_;
      if (c == '(') ++depth;
      if (c == ')' && --depth == 0) return;
    }
    at_ = text_.size();
    (in_angle_ ? angle_ : plain_) += text_.substr(begin);
  }

  // With both ends: a quoted local part and a literal are parts of an address.
  void take_until(std::string& into, char end) {
    into += text_[at_++];
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      into += c;
      if (c == '\\' && at_ < text_.size()) into += text_[at_++];
      if (c == end) return;
    }
  }

  void end_entry() {
    std::string& address = has_angle_ ? angle_ : plain_;
    if (!address.empty()) found_.push_back(std::move(address));
    angle_.clear();
    plain_.clear();
    in_angle_ = has_angle_ = false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string angle_, plain_;
  bool in_angle_ = false, has_angle_ = false, blank_ = false;
  std::vector<std::string> found_;
};

}  // namespace

std::vector<std::string> addresses_in(std::string_view field_value) { return Walk(field_value).all(); }

}  // namespace sealpost
