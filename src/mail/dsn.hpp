// SPDX-License-Identifier: Apache-2.0
//
// Delivery status notifications: bounce and delay notice (RFC 3464, RFC 6522, RFC 3461 §6). Pure: envelope,
// causes and the head of the original in, message text out. Remote text is attacker-controlled: no CR, LF or
// 8-bit octet of it reaches a field (N11).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mail/envelope.hpp"
#include "mail/message_id.hpp"

namespace sealpost {

enum class DsnAction : std::uint8_t {
  failed,
  delayed,
  relayed,  // handed to a host without DSN, so that nobody will tell of its delivery (RFC 3461 §5.2.2)
};
std::string_view name_of(DsnAction action) noexcept;  // the Action field (RFC 3464 §2.3.3)

struct DsnRecipient {
  DsnRecipient() = default;
  Recipient recipient;
  std::string status;      // "5.1.1"; 4.x allowed with failed when a transient cause ran out of time
  std::string diagnostic;  // remote reply, or our own words
  bool remote = false;     // the words are a remote MTA's (Diagnostic-Code: smtp) or ours (X-sealpost)
  std::string remote_mta;  // host name; only when remote
  std::optional<SystemTime> last_attempt, will_retry_until;
};

struct DsnRequest {
  DsnRequest() = default;
  DsnAction action = DsnAction::failed;
  std::string reporting_mta;  // own FQDN
  std::string postmaster;     // whom it is from; empty: postmaster at reporting_mta
  MessageId original_id;
  MessageId dsn_id;
  const Envelope* envelope = nullptr;  // of the original; outlives the call
  // Start of the original message, at least its header when that is under 16 KiB. The whole of it is returned
  // when it is complete, at most 50 KiB, and RET=FULL asks (N7).
  std::string_view original_head;
  bool original_complete = false;
  std::vector<DsnRecipient> recipients;  // never empty
  SystemTime now{};
};

// The message to queue: class dsn, reverse-path "", one recipient. It carries REQUIRETLS when the original
// did (T5).
struct DsnMessage {
  Envelope envelope;
  std::string text;       // CRLF lines
  std::size_t named = 0;  // recipients it names
};
// Nothing when there must be none: null reverse-path (T-36), a DSN or report of our own, or NOTIFY forbids it
// for every recipient (N5). Recipients that want no notice are left out of the others' DSN.
// Size: at most dsn_octets (T-37). What has no room is left out in this order: the body of the original, diagnostics,
// the later fields of its header, the block of a recipient, who is then named in the words for people, and at last the name.
// Deviation: RFC 3464 §2.3 wants a block for every recipient; X-Sealpost-Recipients-Without-Block and the words say how
// many have none, and where to look for those who are not named.
constexpr std::size_t dsn_octets = 64 * 1024;
std::optional<DsnMessage> build_dsn(const DsnRequest& request);

}  // namespace sealpost
