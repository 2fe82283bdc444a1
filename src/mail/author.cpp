// SPDX-License-Identifier: Apache-2.0
#include "mail/author.hpp"

#include <utility>

#include "base/text.hpp"
#include "mail/address.hpp"
#include "mail/field_words.hpp"
#include "mail/header.hpp"

namespace sealpost {
namespace {

constexpr std::size_t most_authors = 100;
constexpr unsigned most_nested = 50;  // comments within comments

Error broken(const std::string& why) { return Error(Errc::invalid, "the From field " + why); }

// Walks a mailbox-list and keeps of each mailbox its address: what stands in angle brackets, or everything. Display names,
// comments and blanks are dropped. What a receiver may read otherwise than we do is no mailbox-list: who signs for an author,
// or lets an account send as one, must not take one for another.
class MailboxList {
 public:
  explicit MailboxList(std::string_view text) : text_(text) {}

  Expected<std::vector<std::string>> all() {
    while (at_ < text_.size()) {
      const std::string problem = step();
      if (!problem.empty()) return broken(problem);
    }
    if (in_angle_) return broken("has a '<' without its '>'");
    const std::string problem = end_mailbox();
    if (!problem.empty()) return broken(problem);
    if (found_.empty()) return broken("holds no address");
    return std::move(found_);
  }

 private:
  // One token; what is wrong with it, or nothing.
  std::string step() {
    const char c = text_[at_];
    std::string& into = in_angle_ ? inside_ : plain_;
    if (c == '(') return skip_comment();
    if (is_space(c)) {
      ++at_;
      blank_ = true;
      return {};
    }
    const bool apart = std::exchange(blank_, false) && !into.empty() && is_word(into.back()) && is_word(c);
    if (has_angle_ && !in_angle_ && c != ',' && c != '<') return "has words behind an address";
    if (c == '"') return take_quoted('"');
    if (c == '[' && into.ends_with('@')) return take_quoted(']');  // elsewhere it is a sign like others
    ++at_;
    if (in_angle_) return step_in_angle(c, apart);
    if (c == '<') {
      if (has_angle_) return "has two addresses without a comma between them";
      in_angle_ = has_angle_ = true;
      return {};
    }
    if (c == ':' || c == ';') return "names a group and no author";
    if (c == ',') return end_mailbox();
    words_ = words_ || apart;
    plain_at_ = plain_at_ || c == '@';
    plain_ += c;
    return {};
  }

  std::string step_in_angle(char c, bool apart) {
    if (apart) return "has two words where an address belongs";
    if (c == '<') return "has '<' within '<'";
    if (c == '>') {
      in_angle_ = false;
    } else if (c == ':') {  // an obsolete route, "@a,@b:", is no part of the address
      if (!inside_.starts_with('@') || inside_.find('@', inside_.rfind(',') + 1) == std::string::npos)
        return "has a ':' where no address has one";
      inside_.clear();
    } else {
      inside_ += c;
    }
    return {};
  }

  std::string skip_comment() {
    blank_ = true;  // it parts words as a blank does
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
    if (words_ && !has_angle_) return "has two words where an address belongs";
    // "a@b.example <a@b.example>" is what many write, and means one author.
    if (has_angle_ && plain_at_ && !text::iequals(plain_, inside_)) return "has another address for a name";
    std::string address = std::move(has_angle_ ? inside_ : plain_);
    const bool empty = address.empty() && !has_angle_;
    plain_.clear();
    inside_.clear();
    has_angle_ = plain_at_ = words_ = blank_ = false;
    if (empty) return {};  // ",," is an obsolete but harmless form
    if (found_.size() >= most_authors) return "has more than " + std::to_string(most_authors) + " authors";
    found_.push_back(std::move(address));
    return {};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool in_angle_ = false, has_angle_ = false;
  bool blank_ = false;     // since the last octet that was kept
  bool words_ = false;     // plain_ has several
  bool plain_at_ = false;  // plain_ has an '@' outside quotes
  std::string plain_, inside_;
  std::vector<std::string> found_;
};

}  // namespace

Expected<std::vector<std::string>> authors_of(std::string_view from_value, Syntax syntax) {
  auto mailboxes = MailboxList(from_value).all();
  if (!mailboxes) return mailboxes;
  for (std::string& address : *mailboxes) {
    auto mailbox = parse_mailbox(address, Utf8::accept, syntax);
    if (!mailbox) return broken("holds '" + text::printable(address, 80) + "', which is no address");
    address = std::move(*mailbox);
  }
  return mailboxes;
}

Expected<std::string> author_domain_of(std::string_view from_value) {
  const auto authors = authors_of(from_value, Syntax::strict);
  if (!authors) return authors.error();
  std::string domain;
  for (const std::string& author : *authors) {
    std::string found = domain_of(author);
    if (found.empty() || found.front() == '[') return broken("holds an address without a domain name");
    if (!domain.empty() && domain != found)
      return broken("names authors of different domains, " + text::printable(domain, 80) + " and " +
                    text::printable(found, 80));
    domain = std::move(found);
  }
  return domain;
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
