// SPDX-License-Identifier: Apache-2.0
//
// A message as it is (RFC 5322), with its envelope in the query.
#include <optional>

#include "base/text.hpp"
#include "injection/refusals.hpp"
#include "mail/address.hpp"
#include "mail/author.hpp"
#include "mail/header.hpp"
#include "mail/submission.hpp"

namespace sealpost::injection {
namespace {

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];  // '+' too, which is common in addresses (RFC 3986 §3.4)
      continue;
    }
    const auto octet = i + 2 < text.size() ? text::from_hex(text.substr(i + 1, 2)) : std::nullopt;
    if (!octet) return std::nullopt;
    out += static_cast<char>(octet->front());
    i += 2;
  }
  return out;
}

struct Query {
  std::optional<std::string> sender;
  std::vector<std::string> recipients;
  TlsNeed tls = TlsNeed::none;
  std::optional<SystemTime> send_at;
};

Expected<Query, Mistake> read_query(std::string_view query) {
  Query read;
  if (query.empty()) return read;
  for (const std::string_view part : text::split(query, '&')) {
    const std::size_t equals = std::min(part.find('='), part.size());
    const std::string_view name = part.substr(0, equals);
    const auto value = percent_decoded(part.substr(std::min(equals + 1, part.size())));
    const std::string at = "?" + text::printable(name, 40);
    if (!value || has_controls(*value)) return Mistake(bad_request, at, "is malformed");
    if (name == "from" && !read.sender)
      read.sender = *value;
    else if (name == "to")
      read.recipients.push_back(*value);
    else if (name == "tls" && read.tls == TlsNeed::none && tls_need_of(*value))
      read.tls = *tls_need_of(*value);
    else if (name == "send_at" && !read.send_at) {
      read.send_at = from_rfc3339(*value);
      if (!read.send_at) return no_time(bad_request, at, *value);
    } else if (name == "tls" || name == "from" || name == "send_at")  // of two, one would count for nothing
      return Mistake(bad_request, at,
                     name != "tls" ? "is said twice" : "is neither encrypt nor verify, or said twice");
    else
      return Mistake(bad_request, at, "is not known here",
                     "there are from, to (again for each recipient), tls and send_at");
  }
  return read;
}

}  // namespace

Expected<Wish, Mistake> read_message_wish(std::string_view query, std::string message,
                                          const WishLimits& limits) {
  auto asked = read_query(query);
  if (!asked) return std::move(asked).error();
  if (message.size() > limits.message) return too_long(limits);
  Wish wish;
  wish.tls = asked->tls;
  wish.send_at = asked->send_at;
  wish.send_at_place = "?send_at";
  if (asked->sender) {
    if (!asked->sender->empty()) {
      auto address = parse_mailbox(*asked->sender, Utf8::accept, Syntax::lenient);
      if (!address || domain_of(*address).empty()) return wrong("?from", "is no address");
      wish.sender = std::move(*address);
    }
  } else {
    const auto from = find_field(message, "From");
    const auto authors = from ? authors_of(*from, Syntax::lenient)
                              : Expected<std::vector<std::string>>(Error(Errc::invalid, "there is none"));
    if (!authors || authors->size() != 1)
      return wrong("?from", "is missing, and the From field names no single author",
                   "say from, the sender of the envelope");
    wish.sender = authors->front();
  }
  SubmissionFacts facts;
  facts.sender = wish.sender;
  facts.recipients = asked->recipients;
  facts.recipients_in_header = asked->recipients.empty();
  facts.dot_ends = false;
  auto made = make_submission(message, facts);
  if (!made) return wrong(facts.recipients_in_header ? "" : "?to", made.error().detail);
  if (made->recipients.size() > limits.recipients) return wrong("?to", too_many_recipients(limits));
  wish.places.assign(made->recipients.size(), facts.recipients_in_header ? "" : "?to");
  wish.recipients = std::move(made->recipients);
  // As it came: what is missing is added, and Bcc taken out, where every message of an account is seen to.
  wish.message = std::move(message);
  return wish;
}

}  // namespace sealpost::injection
