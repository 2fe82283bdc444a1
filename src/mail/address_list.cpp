// SPDX-License-Identifier: Apache-2.0
#include "mail/address_list.hpp"

#include <cstddef>
#include <utility>

namespace sealpost {
namespace {

bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

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
    if (is_space(c)) return;
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

  void skip_comment() {
    for (unsigned depth = 0; at_ < text_.size();) {
      const char c = text_[at_++];
      if (c == '\\') ++at_;
      if (c == '(') ++depth;
      if (c == ')' && --depth == 0) return;
    }
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
  bool in_angle_ = false, has_angle_ = false;
  std::vector<std::string> found_;
};

}  // namespace

std::vector<std::string> addresses_in(std::string_view field_value) { return Walk(field_value).all(); }

}  // namespace sealpost
