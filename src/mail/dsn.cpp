// SPDX-License-Identifier: Apache-2.0
#include "mail/dsn.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "mail/dsn_status.hpp"
#include "mail/header.hpp"
#include "mail/mime_text.hpp"
#include "mail/smtputf8.hpp"

namespace sealpost {
namespace {

constexpr std::size_t full_return_cap = 50 * 1024;  // larger originals come back as headers (N7)
constexpr std::size_t header_return_cap = 16 * 1024;
constexpr std::size_t header_return_least = 2 * 1024;  // kept free for it
constexpr std::size_t status_cap = 40 * 1024;          // part 2
constexpr std::size_t listed_recipients = 20;          // in the words for people, with a reason
constexpr std::size_t list_cap = 6 * 1024;
constexpr std::size_t frame_octets = 1024;  // boundaries, and the last words
constexpr std::uint8_t ret_full = 1;

using Recipients = std::vector<const DsnRecipient*>;

// RFC 3461 §5.2.6: without NOTIFY failure and delay are both told, success never.
bool wants(const Recipient& recipient, DsnAction action) noexcept {
  switch (action) {
    case DsnAction::failed: return recipient.notify == 0 || (recipient.notify & notify_failure) != 0;
    case DsnAction::delayed: return recipient.notify == 0 || (recipient.notify & notify_delay) != 0;
    case DsnAction::relayed: return (recipient.notify & notify_success) != 0;
  }
  return false;
}

Recipients to_notify(const DsnRequest& request) {
  Recipients out;
  const Envelope& original = *request.envelope;
  if (original.reverse_path.empty() || original.message_class != MessageClass::normal) return out;
  for (const DsnRecipient& recipient : request.recipients)
    if (wants(recipient.recipient, request.action)) out.push_back(&recipient);
  return out;
}

bool returns_full(const DsnRequest& request) noexcept {
  return request.action == DsnAction::failed && request.envelope->ret == ret_full &&
         request.envelope->body != BodyType::binary && request.original_complete &&
         request.original_head.size() <= full_return_cap && !request.envelope->flags.requiretls;
}

// One line, whatever was said: host and words together stay under 998 octets.
std::string reason_for_people(const DsnRecipient& recipient, DsnAction action, std::size_t most) {
  const std::string words = text::printable(unfold(recipient.diagnostic), most);
  if (words.empty()) return "status " + status_of(recipient, action);
  if (!recipient.remote) return words;
  const std::string host =
      recipient.remote_mta.empty() ? "The remote mail server" : text::printable(recipient.remote_mta, 255);
  return host + " answered: " + words;
}

std::string_view opening_words(DsnAction action) noexcept {
  switch (action) {
    case DsnAction::failed:
      return "Your message was not delivered to the following recipients, and will not be\r\ntried "
             "again:\r\n";
    case DsnAction::delayed:
      return "Your message could not be delivered to the following recipients yet. You\r\nneed to do "
             "nothing: it "
             "will be tried again.\r\n";
    case DsnAction::relayed:
      return "Your message was handed to the next mail server for the following recipients. That\r\nserver "
             "cannot "
             "confirm delivery, so you will hear no more unless something fails:\r\n";
  }
  return "";
}

std::string_view subject_of(DsnAction action) noexcept {
  switch (action) {
    case DsnAction::failed: return "Mail not delivered";
    case DsnAction::delayed: return "Mail not delivered yet, still trying";
    case DsnAction::relayed: return "Mail passed on";
  }
  return "";
}

std::string name_for_people(const DsnRecipient& recipient) {
  const std::string& address = recipient.recipient.address;
  const bool readable = !is_ascii(address) && text::is_utf8(address) && address.size() < 900;
  return "  <" + (readable ? address : text::printable(address, 900)) + ">\r\n";
}

struct Words {
  std::string text;
  std::size_t listed = 0;  // the first so many, each with a reason
};

Words words_for_people(const DsnRequest& request, const Recipients& recipients) {
  Words out;
  out.text = "This is the mail relay at " + text::printable(request.reporting_mta, 255) + ".\r\n\r\n";
  out.text += opening_words(request.action);
  const std::size_t some = std::min(recipients.size(), listed_recipients);
  const std::size_t reason_cap = std::clamp<std::size_t>(list_cap / some - 100, 200, 700);
  while (out.listed < some && out.text.size() < list_cap) {
    const DsnRecipient& recipient = *recipients[out.listed++];
    out.text += "\r\n" + name_for_people(recipient) + "    " +
                reason_for_people(recipient, request.action, reason_cap) + "\r\n";
    if (request.action == DsnAction::delayed && recipient.will_retry_until)
      out.text += "    Attempts end at " + to_rfc5322(*recipient.will_retry_until) + ".\r\n";
  }
  return out;
}

// Those without a reason above: named in part 2, or here while there is room. Returns how many nobody finds in the report.
std::size_t name_the_others(Words& words, const Recipients& recipients, std::size_t blocks,
                            std::size_t room) {
  if (recipients.size() == words.listed) return 0;
  const std::size_t named = std::max(words.listed, blocks);
  const std::size_t more = recipients.size() - words.listed;
  if (recipients.size() == named) {
    words.text += fmt::format("\r\n  and {} more; the attached report names them all.\r\n", more);
    return 0;
  }
  std::string names;
  std::size_t next = named;
  for (; next < recipients.size(); ++next) {
    const std::string name = name_for_people(*recipients[next]);
    if (names.size() + name.size() > room) break;
    names += name;
  }
  words.text +=
      fmt::format("\r\n  and {} more. The first {} are named above and in the attached report{}\r\n", more,
                  named, names.empty() ? "." : ", and of the others:\r\n");
  words.text += names;
  const std::size_t unnamed = recipients.size() - next;
  if (unnamed > 0)
    words.text += fmt::format(
        "\r\n  and {} for whom there is no room in this message. The log of the relay names\r\n  each of "
        "them.\r\n",
        unnamed);
  return unnamed;
}

void add_farewell(Words& words, const MessageId& id) {
  words.text +=
      "\r\nWhen you ask your postmaster for help, please quote the queue id " + id.to_string() + ".\r\n";
}

std::string header(const DsnRequest& request, const Recipients& recipients, const std::string& boundary,
                   DsnForm form, bool eight_bit) {
  const std::string& host = request.reporting_mta;
  std::string out;
  const std::string from = request.postmaster.empty() ? "postmaster@" + host : request.postmaster;
  out += folded_field("From", "Mail delivery system <" + from + ">");
  out += "To: <" + request.envelope->reverse_path +
         ">\r\n";  // the one value that may be UTF-8; its grammar was checked
  const std::string_view plural = recipients.size() == 1 ? "" : "s";
  out += folded_field(
      "Subject", fmt::format("{} ({} recipient{})", subject_of(request.action), recipients.size(), plural));
  out += folded_field("Date", to_rfc5322(request.now));
  out += folded_field("Message-ID", "<" + request.dsn_id.to_string() + "@" + host + ">");
  const std::string original_id = scan_head(request.original_head).message_id;
  if (!original_id.empty()) out += "References: " + original_id + "\r\n";
  out += "Auto-Submitted: auto-replied\r\n";  // RFC 3834 §5
  out += "MIME-Version: 1.0\r\n";
  out += fmt::format("Content-Type: multipart/report; report-type={};\r\n boundary=\"{}\"\r\n",
                     form == DsnForm::global ? "global-delivery-status" : "delivery-status", boundary);
  if (eight_bit) out += "Content-Transfer-Encoding: 8bit\r\n";
  return out + "\r\n";
}

// An original whose header is beyond ASCII (RFC 6532 §3.7) has a type of its own, and goes encoded to who may be reached
// without SMTPUTF8 (RFC 6533 §4, N8).
bool is_global(const DsnRequest& request) { return request.envelope->smtputf8; }

// All of it, with its MIME header.
std::string whole_original(const DsnRequest& request, DsnForm form) {
  const std::string_view type = is_global(request) ? "message/global" : "message/rfc822";
  const bool encoded = is_global(request) && form == DsnForm::ascii;
  const std::string_view encoding = encoded ? "Content-Transfer-Encoding: quoted-printable\r\n"
                                    : needs_encoding(request.original_head)
                                        ? "Content-Transfer-Encoding: 8bit\r\n"
                                        : "";
  return fmt::format("Content-Type: {}\r\n{}\r\n{}", type, encoding,
                     encoded ? quoted_printable(request.original_head) : with_crlf(request.original_head));
}

// Its header with a MIME header: as text/rfc822-headers (RFC 6522 §4), or message/global-headers.
std::string original_header(const DsnRequest& request, std::size_t room) {
  HeaderReader reader(request.original_head);
  HeaderField field;
  std::vector<std::size_t> ends;  // of whole fields
  while (reader.next(field) && reader.position() <= header_return_cap) ends.push_back(reader.position());
  const std::string_view head = request.original_head.substr(0, ends.empty() ? 0 : ends.back());
  const bool encoded = needs_encoding(head);
  std::size_t end = 0, octets = 0;  // after the last field that fits, and what that takes
  for (const std::size_t next : ends) {
    const std::string_view one = head.substr(end, next - end);
    octets += encoded ? quoted_printable(one).size() : with_crlf(one).size();
    if (octets > room) break;
    end = next;
  }
  const std::string_view quoted = head.substr(0, end);
  if (encoded)
    return fmt::format("Content-Type: {}\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{}",
                       is_global(request) ? "message/global-headers" : "text/rfc822-headers",
                       quoted_printable(quoted));
  return "Content-Type: text/rfc822-headers\r\n\r\n" + with_crlf(quoted);
}

Envelope envelope_of(const DsnRequest& request, bool eight_bit) {
  Envelope envelope;
  envelope.recipients.emplace_back(request.envelope->reverse_path);
  envelope.message_class = MessageClass::dsn;
  envelope.body = eight_bit ? BodyType::eight_bit_mime : BodyType::seven_bit;
  envelope.smtputf8 = !is_ascii(request.envelope->reverse_path);   // To names it
  envelope.flags.requiretls = request.envelope->flags.requiretls;  // RFC 8689 §5
  envelope.flags.tls_need = request.envelope->flags.tls_need;      // it tells of that message
  envelope.arrival = request.now;
  return envelope;
}

}  // namespace

std::string_view name_of(DsnAction action) noexcept {
  switch (action) {
    case DsnAction::failed: return "failed";
    case DsnAction::delayed: return "delayed";
    case DsnAction::relayed: return "relayed";
  }
  return "";
}

std::optional<DsnMessage> build_dsn(const DsnRequest& request) {
  const Recipients recipients = to_notify(request);
  if (recipients.empty()) return std::nullopt;
  // Nobody can have put this line into the original: the id was made or hashed after it was accepted.
  const std::string boundary = "=_" + request.dsn_id.to_string();
  // T-37: who was not reached comes first; a report that is long by itself brings no body along.
  Words words = words_for_people(request, recipients);
  const DsnForm form = is_ascii(request.envelope->reverse_path) ? DsnForm::ascii : DsnForm::global;
  const DeliveryStatus status = delivery_status(request, recipients, form, status_cap);
  const std::size_t report = header(request, recipients, boundary, form, true).size() + words.text.size() +
                             status.text.size() + frame_octets;
  const std::size_t left = report < dsn_octets ? dsn_octets - report : 0;
  std::string returned;
  if (returns_full(request) && status.blocks == recipients.size()) returned = whole_original(request, form);
  const bool full = !returned.empty() && returned.size() <= left;
  const std::size_t for_names = full ? 0 : left - std::min(left, header_return_least);
  const std::size_t before = words.text.size();
  const std::size_t unnamed = name_the_others(words, recipients, status.blocks, for_names);
  const std::size_t taken = std::min(left, words.text.size() - before);
  add_farewell(words, request.original_id);
  if (!full) returned = original_header(request, left - taken);
  const bool readable = is_ascii(words.text);
  const bool eight_bit = !readable || !is_ascii(status.text) || needs_encoding(returned);

  DsnMessage message;
  message.envelope = envelope_of(request, eight_bit);
  message.named = recipients.size() - unnamed;
  message.text = header(request, recipients, boundary, form, eight_bit);
  message.envelope.message_id = digest_of_message_id(scan_head(message.text).message_id);
  const auto add_part = [&](const std::string& part) {
    message.text += "--" + boundary + "\r\n" + part + "\r\n";
  };
  add_part((readable ? "Content-Type: text/plain; charset=us-ascii\r\n\r\n"
                     : "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n") +
           words.text);
  add_part((form == DsnForm::ascii ? "Content-Type: message/delivery-status\r\n\r\n"
                                   : "Content-Type: message/global-delivery-status\r\n"
                                     "Content-Transfer-Encoding: 8bit\r\n\r\n") +
           status.text);
  add_part(returned);
  message.text += "--" + boundary + "--\r\n";
  return message;
}

}  // namespace sealpost
