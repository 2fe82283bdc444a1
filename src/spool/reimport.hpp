// SPDX-License-Identifier: Apache-2.0
//
// `spool recover`: takes into the spool what can be read of a file in corrupt/ or of a segment. What is known to be finished
// stays finished; of what is not known to be, whether it had been delivered cannot be told, so it is held until an operator
// releases or removes it (D-03, D-27).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "event/blocking_pool.hpp"
#include "event/task.hpp"
#include "spool/journal_spool.hpp"

namespace sealpost::spool {

struct Reimported {
  std::vector<std::string> taken;     // ids, held now
  std::vector<std::string> known;     // in the queue already
  std::vector<std::string> finished;  // delivered, returned or removed, by this file or by the journal
  std::vector<std::string>
      unreadable;  // messages of which some of the body is missing, and why the others failed
  std::uint64_t unreadable_octets = 0;  // that are part of no record
};

// A message to be stored, with what is known of its recipients.
struct Salvaged {
  NewMessage message;
  std::vector<RecipientState> states;
  bool whole = true;
  bool finished = false;
};
struct SalvagedMail {
  std::vector<Salvaged> messages;
  std::uint64_t unreadable_octets = 0;
};
// Blocks. Looks through the journal for what became of the messages, and for parts of their bodies.
Expected<SalvagedMail> gather_mail(Disk& disk, std::string_view file);

// On an error nothing, or not everything, was taken; it may be called again. `take` gets each message that was stored.
event::Task<Expected<Reimported>> reimport(event::Loop& home, event::BlockingPool& pool, Disk& disk,
                                           JournalSpool& spool, std::string octets, std::string reason,
                                           std::function<void(StoredMessagePtr)> take);

}  // namespace sealpost::spool
