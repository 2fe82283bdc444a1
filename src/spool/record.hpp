// SPDX-License-Identifier: Apache-2.0
//
// What a journal says, as values: one struct per record type. record_codec turns them into octets and back,
// journal_state folds them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "spool/spool.hpp"
#include "spool/stored_message.hpp"

namespace sealpost::spool {

constexpr std::size_t max_text = 1024;  // an address, an ENVID, a reason: in octets

// The number on disk. Never reuse one; a reader that does not know one holds the message it names (D-11).
enum class RecordType : std::uint8_t {
  body_part = 1,
  message = 2,
  attempt = 3,
  outcome = 4,
  hold = 5,
  release = 6,
  relocate = 7,
  withdraw = 8,
  clean_stop = 9,
  draining = 10,
  reroute = 11,
};

// The octets of its blob are body octets, to be referred to by the message record that follows.
struct BodyPartRecord {};
// Envelope, the extents of parts written before, and the last octets of the body as blob.
struct MessageRecord {
  Envelope envelope;
  std::vector<Extent> chunks;
  std::string unknown = {};  // attributes of a later release, as they stood
};
// The recipients whose attempt begins.
struct AttemptRecord {
  std::vector<std::uint32_t> recipients;
};
struct OutcomeRecord {
  Outcome outcome;  // its id is that of the record
};
struct HoldRecord {
  std::string reason;
};
struct ReleaseRecord {};
// A live message written again, with all that records before this one said of it: supersedes them.
struct RelocateRecord {
  MessageRecord message;
  std::vector<RecipientProgress> progress;
  bool held = false;
  std::string hold_reason;
  std::string last_reply;
  AnswerPtr last_answer;
};
// Refused after all (D-06).
struct WithdrawRecord {};
// An orderly stop: attempts without outcome up to here were not cut off by a crash (D-12, D-28).
struct CleanStopRecord {};
// The relay is being stopped: attempts without outcome up to here will not have been cut off by a crash, however the
// process ends (D-12, D-28). Written again with whatever follows.
struct DrainingRecord {};
// These recipients go to another next hop from now on, whatever routes say; an empty one: as routes say again.
struct RerouteRecord {
  std::vector<std::uint32_t> recipients;
  std::string next_hop;
};
struct UnknownRecord {
  std::uint8_t type = 0;
};

using Record = std::variant<BodyPartRecord, MessageRecord, AttemptRecord, OutcomeRecord, HoldRecord,
                            ReleaseRecord, RelocateRecord, WithdrawRecord, CleanStopRecord, DrainingRecord,
                            RerouteRecord, UnknownRecord>;

}  // namespace sealpost::spool
