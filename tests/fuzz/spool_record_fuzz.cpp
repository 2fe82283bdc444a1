// SPDX-License-Identifier: Apache-2.0
//
// A record's head from disk (T-54): it is refused, or it is what writing it again gives, and nothing in it that could
// reach a command has a control character (T-23). Input: one octet for the type, with 128 when attributes
// follow, the rest is the head.
#include <cstdint>
#include <string>

#include "require.hpp"
#include "spool/record_codec.hpp"

using namespace sealpost;
using namespace sealpost::spool;

namespace {

void require_plain(const std::string& text) {
  for (const char c : text) require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
}

void check(const Envelope& envelope) {
  require(!envelope.recipients.empty() && envelope.recipients.size() <= max_recipients);
  require_plain(envelope.reverse_path);
  require_plain(envelope.received_from);
  require_plain(envelope.account);
  for (const Recipient& recipient : envelope.recipients) {
    require(!recipient.address.empty());
    require_plain(recipient.address);
    require_plain(recipient.original);
  }
  require(check_bounds(envelope).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string head(data + 1, data + size);
  const std::uint8_t type = data[0] & 0x7F;
  const std::uint8_t flags = (data[0] & 0x80) != 0 ? record_flag::attributes : 0;
  const auto read = decode_head(type, head, flags);
  if (!read || std::holds_alternative<UnknownRecord>(read->record)) return 0;
  const Record* record = &read->record;
  require(type_of(*record) == static_cast<RecordType>(type));
  const EncodedHead again = encode_head(*record);
  if (flags == 0) require(again.octets == head);
  const auto reread = decode_head(type, again.octets, again.flags);  // less what is not known there
  require(reread && encode_head(reread->record).octets == again.octets);
  if (const auto* outcome = std::get_if<OutcomeRecord>(record))
    for (const RecipientOutcome& recipient : outcome->outcome.recipients) {
      if (!recipient.answer) continue;
      require_plain(recipient.answer->status);
      require_plain(recipient.answer->host);
      require_plain(recipient.answer->address);
    }
  if (const auto* message = std::get_if<MessageRecord>(record)) check(message->envelope);
  if (const auto* relocate = std::get_if<RelocateRecord>(record)) {
    check(relocate->message.envelope);
    require(relocate->progress.size() == relocate->message.envelope.recipients.size());
  }
  return 0;
}
