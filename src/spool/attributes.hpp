// SPDX-License-Identifier: Apache-2.0
//
// Attributes: what a record says beyond the fixed fields of its head, each as tag, length and value, so that a later
// release can say more without a new format (docs/spool-format.md, Attributes). Pure. What is read is bounded, and text
// that may reach a command or a person has no control characters (T-54, T-23).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "spool/bytes.hpp"
#include "spool/record.hpp"

namespace sealpost::spool {

// As they stand behind a head, without their length: "" when the record has nothing to say beyond it. An answer comes from
// elsewhere: what is not plain in it is written as \xHH, for a record that cannot be read again would hold its message.
std::string attributes_of(const MessageRecord& record);
std::string attributes_of(const OutcomeRecord& record);
std::string attributes_of(const RelocateRecord& record);

// Into the record they belong to. False: one of them breaks its format. What this release does not know is kept with a
// message, so that it is there again for one that does, and passed over elsewhere; `beyond` becomes true when one of those is marked
// critical: the message must not be sent on half of what was said about it (D-11).
bool read_attributes(std::string_view octets, MessageRecord& record, bool& beyond);
bool read_attributes(std::string_view octets, OutcomeRecord& record, bool& beyond);
bool read_attributes(std::string_view octets, RelocateRecord& record, bool& beyond);
// Behind the head of a record that has none in this release.
bool pass_over_attributes(std::string_view octets, bool& beyond);

// Without control characters: what may stand in a command or before a person.
bool is_plain(std::string_view text) noexcept;
// Plain text of at most `most` octets.
std::string get_plain_text(ByteReader& in, std::size_t most);

}  // namespace sealpost::spool
