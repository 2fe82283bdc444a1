// SPDX-License-Identifier: Apache-2.0
//
// Delivery status notifications made of hostile words (N11, DSN-06): whatever a remote server, a sender or the original
// message say, the report has its three parts, its own fields and nothing else.
// Input: pieces separated by octet 0xfe: diagnostic, remote host, status, ORCPT, HELO, ENVID, original.
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "base/text.hpp"
#include "mail/dsn.hpp"
#include "mail/header.hpp"
#include "require.hpp"

namespace {

using namespace sealpost;

constexpr std::string_view known_fields[] = {
    "Original-Envelope-Id",
    "Reporting-MTA",
    "Received-From-MTA",
    "Arrival-Date",
    "Original-Recipient",
    "Final-Recipient",
    "Action",
    "Status",
    "Remote-MTA",
    "Diagnostic-Code",
    "Last-Attempt-Date",
    "Final-Log-ID",
};

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++found;
  return found;
}

void check_status(std::string_view part) {
  std::size_t recipients = 0;
  while (!part.empty()) {
    HeaderReader reader(part);
    HeaderField field;
    while (reader.next(field)) {
      require(std::find(std::begin(known_fields), std::end(known_fields), field.name) !=
              std::end(known_fields));
      if (field.name == "Action") require(unfold(field.value) == "failed");
      if (field.name == "Final-Recipient") ++recipients;
    }
    part.remove_prefix(reader.position());
  }
  require(recipients == 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  auto pieces = text::split(input, '\xfe');
  pieces.resize(7);
  Envelope envelope;
  envelope.reverse_path = "alice@a.example";
  envelope.received_from = pieces[4];
  envelope.envid = pieces[5];
  DsnRequest request;
  request.reporting_mta = "relay.example.net";
  request.dsn_id = *MessageId::parse("01ARYZ6S410000000000000002");
  request.envelope = &envelope;
  request.original_head = pieces[6];
  DsnRecipient& recipient = request.recipients.emplace_back();
  recipient.recipient.address = "bob@b.example";
  recipient.recipient.original = pieces[3];
  recipient.diagnostic = pieces[0];
  recipient.remote = true;
  recipient.remote_mta = pieces[1];
  recipient.status = pieces[2];

  const auto message = build_dsn(request);
  require(message.has_value());
  const std::string& text = message->text;
  const std::string boundary = "\r\n--=_01ARYZ6S410000000000000002";
  // The original could quote the boundary only by knowing an id that was made after it was accepted.
  if (input.find("01ARYZ6S410000000000000002") != input.npos) return 0;
  require(count(text, boundary) == 4);
  const std::string part_two = boundary + "\r\nContent-Type: message/delivery-status\r\n\r\n";
  const std::size_t from = text.find(part_two) + part_two.size();
  check_status(std::string_view(text).substr(from, text.find(boundary, from) - from));
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n')
      require(i > 0 && text[i - 1] == '\r');
    else if (text[i] == '\r')
      require(i + 1 < text.size() && text[i + 1] == '\n');
    else
      require(text[i] != '\0' && static_cast<unsigned char>(text[i]) < 0x80);
  }
  for (const auto line : text::split(text, '\n')) require(line.size() <= 999);
  return 0;
}
