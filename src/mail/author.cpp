// SPDX-License-Identifier: Apache-2.0
#include "mail/author.hpp"

#include "base/text.hpp"
#include "mail/address.hpp"
#include "mail/header.hpp"

namespace sealpost {
namespace {

constexpr std::size_t most_authors = 100;
constexpr unsigned most_nested = 50;  // comments within comments

bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

Error broken(const std::string& why) { return Error(Errc::invalid, "the From field " + why); }

// Walks a mailbox-list and keeps of each mailbox what may be its address: what stands in angle brackets, or everything.
// Display names, comments and blanks are dropped.
class MailboxList {
 public:
  explicit MailboxList(std::string_view text) : text_(text) {}

  Expected<std::string> domain() {
    while (at_ < text_.size()) {
      const std::string problem = step();
      if (!problem.empty()) return broken(problem);
    }
    if (in_angle_) return broken("has a '<' without its '>'");
    const std::string problem = end_mailbox();
    if (!problem.empty()) return broken(problem);
    if (domain_.empty()) return broken("holds no address");
    return std::move(domain_);
  }

 private:
  // One token; what is wrong with it, or nothing.
  std::string step() {
    const char c = text_[at_];
    if (c == '(') return skip_comment();
    if (c == '"') return take_quoted('"');
    if (c == '[') return take_quoted(']');
    ++at_;
    if (is_space(c)) return {};
    if (in_angle_) {
      if (c == '>') in_angle_ = false;
      if (c == '<') return "has '<' within '<'";
      if (c == ':') inside_.clear();  // an obsolete route, "@a,@b:", is no part of the address
      if (c != '>' && c != ':') inside_ += c;
      return {};
    }
    if (c == '<') {
      if (has_angle_) return "has two addresses without a comma between them";
      in_angle_ = has_angle_ = true;
      return {};
    }
    if (c == ':' || c == ';') return "names a group and no author";
    if (c == ',') return end_mailbox();
    plain_ += c;
    return {};
  }

  std::string skip_comment() {
    unsigned depth = 0;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '\\') {
        ++at_;
      } else if (c == '(') {
        if (++depth > most_nested) return "nests its comments too deep";
      } else if (c == ')' && --depth == 0) {
        ++at_;
        return {};
      }
    }
    at_ = text_.size();
    return "has a comment without end";
  }

  // "quoted" or [literal], kept as it is.
  std::string take_quoted(char end) {
    std::string& into = in_angle_ ? inside_ : plain_;
    into += text_[at_++];
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      into += c;
      if (c == end) return {};
      if (c == '\\' && at_ < text_.size()) into += text_[at_++];
    }
    return "has a quote without end";
  }

  std::string end_mailbox() {
    const std::string address = has_angle_ ? inside_ : plain_;
    const bool empty = address.empty() && !has_angle_;
    plain_.clear();
    inside_.clear();
    has_angle_ = false;
    if (empty) return {};  // ",," is an obsolete but harmless form
    if (++authors_ > most_authors) return "has more than " + std::to_string(most_authors) + " authors";
    const auto mailbox = parse_mailbox(address, Utf8::accept);
    if (!mailbox) return "holds '" + text::printable(address, 80) + "', which is no address";
    std::string found = domain_of(*mailbox);
    if (found.empty() || found.front() == '[') return "holds an address without a domain name";
    if (!domain_.empty() && domain_ != found)
      return "names authors of different domains, " + text::printable(domain_, 80) + " and " +
             text::printable(found, 80);
    domain_ = std::move(found);
    return {};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool in_angle_ = false, has_angle_ = false;
  std::string plain_, inside_;
  std::size_t authors_ = 0;
  std::string domain_;
};

}  // namespace

Expected<std::string> author_domain_of(std::string_view from_value) {
  return MailboxList(from_value).domain();
}

Expected<std::string> author_domain(std::string_view head) {
  HeaderReader reader(head);
  HeaderField field;
  std::string_view from;
  unsigned found = 0;
  while (reader.next(field)) {
    if (!text::iequals(field.name, "From")) continue;
    from = field.value;
    ++found;
  }
  if (found == 0) return Error(Errc::invalid, "there is no From field");
  if (found > 1) return Error(Errc::invalid, "there are " + std::to_string(found) + " From fields");
  return author_domain_of(from);
}

}  // namespace sealpost
