// SPDX-License-Identifier: Apache-2.0
#include "mail/submission.hpp"

#include <algorithm>
#include <cstddef>

#include "base/text.hpp"
#include "mail/address.hpp"
#include "mail/address_list.hpp"
#include "mail/author.hpp"
#include "mail/message_id.hpp"

namespace sealpost {
namespace {

// What ends a line: LF, CRLF, CR CRLF as some programs write it, and a lone CR, which leaves us as CRLF anyway
// (smtp/dot_stuffing.hpp), so that the header is read as its receivers will read it. The octets of it; 0 at the end of `input`.
std::size_t line_end_at(std::string_view input, std::size_t at) {
  if (at >= input.size()) return 0;
  const std::size_t after = input.find_first_not_of('\r', at);
  if (after != std::string_view::npos && input[after] == '\n') return after + 1 - at;
  return 1;
}

// The lines of `input` with CRLF, up to a line with a dot alone when that ends it.
std::string with_crlf(std::string_view input, bool dot_ends) {
  std::string out;
  out.reserve(input.size() + input.size() / 32);
  while (!input.empty()) {
    const std::size_t end = std::min(input.find_first_of("\r\n"), input.size());
    const std::string_view line = input.substr(0, end);
    if (dot_ends && line == ".") break;
    out.append(line).append("\r\n");
    input.remove_prefix(end + line_end_at(input, end));
  }
  return out;
}

// The line of an mbox that some programs put in front.
std::string_view without_envelope_line(std::string_view message) {
  if (message.rfind("From ", 0) == 0 || message.rfind(">From ", 0) == 0)
    message.remove_prefix(message.find("\r\n") + 2);
  return message;
}

struct SubmittedField {
  std::string_view name, value;
  std::string_view whole;  // with its folds and line ends
};

// The name of a field that begins here; empty: none does.
std::string_view name_at(std::string_view line) {
  const std::string_view name = text::trim(line.substr(0, std::min(line.find(':'), line.size())));
  const bool good = line.find(':') < line.find("\r\n") && !name.empty() && line.front() != ' ' &&
                    line.front() != '\t' &&
                    std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 127; });
  return good ? name : std::string_view();
}

// Takes the header off `message`: it ends with an empty line, which goes too, or where no field goes on or begins, which
// is the body then, and no octet of it is lost.
std::vector<SubmittedField> take_header(std::string_view& message) {
  std::vector<SubmittedField> fields;
  for (;;) {
    const std::string_view name = name_at(message);
    if (name.empty()) break;
    std::size_t end = message.find("\r\n") + 2;
    while (end < message.size() && (message[end] == ' ' || message[end] == '\t'))
      end = message.find("\r\n", end) + 2;
    const std::string_view whole = message.substr(0, end);
    fields.push_back({name, whole.substr(whole.find(':') + 1), whole});
    message.remove_prefix(end);
  }
  if (message.rfind("\r\n", 0) == 0) message.remove_prefix(2);
  return fields;
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view one) { return text::iequals(name, one); });
}

bool has(const std::vector<SubmittedField>& header, std::initializer_list<std::string_view> names) {
  return std::any_of(header.begin(), header.end(),
                     [&](const SubmittedField& field) { return is_one_of(field.name, names); });
}

std::vector<std::string> recipients_of(const std::vector<SubmittedField>& header) {
  const bool resent = has(header, {"Resent-To", "Resent-Cc", "Resent-Bcc"});
  std::vector<std::string> all;
  for (const SubmittedField& field : header) {
    if (!(resent ? is_one_of(field.name, {"Resent-To", "Resent-Cc", "Resent-Bcc"})
                 : is_one_of(field.name, {"To", "Cc", "Bcc"})))
      continue;
    for (std::string& address : addresses_in(field.value)) all.push_back(std::move(address));
  }
  return all;
}

std::string from_field(const SubmissionFacts& facts) {
  const std::string address = facts.sender.empty() ? "MAILER-DAEMON@" + facts.hostname : facts.sender;
  const bool ascii = std::all_of(facts.full_name.begin(), facts.full_name.end(),
                                 [](char c) { return static_cast<unsigned char>(c) < 128; });
  if (facts.full_name.empty() || !ascii) return "From: <" + address + ">\r\n";  // RFC 5322 knows no other
  std::string name;
  for (const char c : facts.full_name) {
    if (static_cast<unsigned char>(c) < ' ') continue;
    if (c == '"' || c == '\\') name += '\\';
    name += c;
  }
  return "From: \"" + name + "\" <" + address + ">\r\n";
}

// What a message must have and `header` has not, in front of what stays of it: all but Bcc.
std::string completed(const std::vector<SubmittedField>& header, const SubmissionFacts& facts) {
  std::string made;
  if (!has(header, {"From"})) made += from_field(facts);
  if (!has(header, {"Date"})) made += "Date: " + to_rfc5322(facts.now) + "\r\n";
  if (!has(header, {"Message-ID"}))
    made += "Message-ID: <" + MessageId::make(facts.now).to_string() + "@" + facts.hostname + ">\r\n";
  for (const SubmittedField& field : header)
    if (!is_one_of(field.name, {"Bcc", "Resent-Bcc"})) made += field.whole;
  return made += "\r\n";
}

}  // namespace

Expected<std::string> full_address(std::string_view typed, const std::string& hostname,
                                   const std::string& postmaster) {
  std::string address(text::trim(typed));
  if (address.size() > 1 && address.front() == '<' && address.back() == '>')
    address = address.substr(1, address.size() - 2);
  const bool no_domain = !address.empty() && address.find('@') == std::string::npos;
  if (no_domain) address = postmaster.empty() ? address + "@" + hostname : postmaster;
  auto parsed = parse_mailbox(address, Utf8::accept, Syntax::lenient);
  if (!parsed)
    return Error(Errc::invalid, "'" + text::printable(typed) + "' is no address: " + parsed.error().detail);
  return parsed;
}

Expected<Submission> make_submission(std::string_view input, const SubmissionFacts& facts) {
  const std::string lines = with_crlf(input, facts.dot_ends);
  std::string_view rest = without_envelope_line(lines);
  const std::vector<SubmittedField> header = take_header(rest);

  Submission made;
  std::vector<std::string> wanted = facts.recipients;
  if (facts.recipients_in_header)
    for (std::string& address : recipients_of(header)) wanted.push_back(std::move(address));
  for (const std::string& typed : wanted) {
    auto address = full_address(typed, facts.hostname, facts.postmaster);
    if (!address) return address.error();
    if (std::find(made.recipients.begin(), made.recipients.end(), *address) == made.recipients.end())
      made.recipients.push_back(std::move(*address));
  }
  if (made.recipients.empty())
    return Error(Errc::invalid,
                 facts.recipients_in_header
                     ? "there is no recipient, neither in To, Cc or Bcc nor on the command line"
                     : "there is no recipient; name some, or take those of the header with -t");
  made.message = completed(header, facts);
  made.message += rest;
  return made;
}

Expected<SubmittedHeader> submitted_header(std::string_view header, const SubmissionFacts& facts) {
  const auto malformed = [](const char* why) { return Error(Errc::invalid, why); };
  std::string_view rest = header;
  const std::vector<SubmittedField> fields = take_header(rest);
  if (!rest.empty()) return malformed("a line in the header is no field");
  SubmittedHeader made;
  unsigned from = 0;
  for (const SubmittedField& field : fields) {
    if (!text::iequals(field.name, "From")) continue;
    if (++from > 1) return malformed("there are several From fields");
    auto authors = authors_of(field.value, Syntax::lenient);
    if (!authors) return authors.error();
    made.authors = std::move(*authors);
  }
  if (from == 0 && facts.sender.empty()) return malformed("there is no From field");
  if (from == 0) made.authors.push_back(facts.sender);
  made.text = completed(fields, facts);
  return made;
}

}  // namespace sealpost
