// SPDX-License-Identifier: Apache-2.0
#include "spool/reimport.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "spool/crc32c.hpp"
#include "spool/salvage.hpp"

namespace sealpost::spool {
namespace {

using Place = std::pair<std::uint64_t, std::uint64_t>;  // segment, offset

class Gathering {
 public:
  explicit Gathering(Disk& disk) : disk_(disk) {}

  Expected<SalvagedMail> run(std::string_view file) {
    auto found = salvage(file);
    if (!found) return found.error();
    for (const SalvagedRecord& record : found->records) begin(*found, record);
    for (const SalvagedRecord& record : found->records) note_fate(record);
    look_through_journal();
    SalvagedMail mail;
    mail.unreadable_octets = found->unreadable;
    for (auto& [id, candidate] : candidates_) mail.messages.push_back(finish(id, candidate));
    return mail;
  }

 private:
  struct Candidate {
    Envelope envelope;
    std::vector<Extent> chunks;
    std::string rest;  // the octets behind the parts
    bool rest_intact = true;
    std::vector<RecipientState> states;
    bool withdrawn = false;
  };

  void begin(const Salvage& file, const SalvagedRecord& record) {
    if (std::holds_alternative<BodyPartRecord>(record.record) && record.blob_intact)
      parts_[Place(file.segment, record.blob_at)] = std::string(record.blob);
    const auto* message = std::get_if<MessageRecord>(&record.record);
    const auto* relocate = std::get_if<RelocateRecord>(&record.record);
    if (relocate != nullptr) message = &relocate->message;
    if (message == nullptr) return;
    Candidate& candidate = candidates_[record.header.id];
    candidate.envelope = message->envelope;
    candidate.chunks = message->chunks;
    candidate.rest = std::string(record.blob);
    candidate.rest_intact = record.blob_intact;
    candidate.states.resize(message->envelope.recipients.size(), RecipientState::pending);
    if (relocate != nullptr)
      for (std::size_t i = 0; i < candidate.states.size() && i < relocate->progress.size(); ++i)
        settle(candidate, i, relocate->progress[i].state);
    for (const Extent& chunk : message->chunks) wanted_[Place(chunk.segment, chunk.offset)] = chunk.crc;
  }

  // Final states are never left again (D-16), so the order in which they are found does not matter.
  static void settle(Candidate& candidate, std::size_t recipient, RecipientState state) {
    if (recipient < candidate.states.size() && is_final(state)) candidate.states[recipient] = state;
  }

  void note_fate(const SalvagedRecord& record) {
    const auto at = candidates_.find(record.header.id);
    if (at == candidates_.end()) return;
    if (std::holds_alternative<WithdrawRecord>(record.record)) at->second.withdrawn = true;
    if (const auto* outcome = std::get_if<OutcomeRecord>(&record.record))
      for (const RecipientOutcome& one : outcome->outcome.recipients)
        settle(at->second, one.recipient, one.state);
    if (const auto* relocate = std::get_if<RelocateRecord>(&record.record))
      for (std::size_t i = 0; i < relocate->progress.size(); ++i)
        settle(at->second, i, relocate->progress[i].state);
  }

  // What cannot be read there says nothing; the messages are held anyway.
  void look_through_journal() {
    std::vector<std::string> names;
    if (disk_.list(journal_directory, names) != 0) return;
    for (const std::string& name : names) {
      if (!parse_segment_name(name)) continue;
      auto opened = disk_.open(journal_directory + "/" + name, Disk::Access::read);
      const std::int64_t size = opened.file ? opened.file->size() : 0;
      if (size <= static_cast<std::int64_t>(segment_header_size)) continue;
      std::string octets(static_cast<std::size_t>(size), '\0');
      auto read = read_full(*opened.file, 0, octets);
      if (!read) continue;
      octets.resize(*read);
      const auto found = salvage(octets);
      if (!found) continue;
      for (const SalvagedRecord& record : found->records) {
        note_fate(record);
        const Place place(found->segment, record.blob_at);
        const auto wanted = wanted_.find(place);
        if (wanted != wanted_.end() && record.blob_intact && record.header.blob_crc == wanted->second)
          parts_.try_emplace(place, record.blob);
      }
    }
  }

  Salvaged finish(const MessageId& id, Candidate& candidate) {
    Salvaged one;
    one.message.id = id;
    one.message.envelope = std::move(candidate.envelope);
    one.whole = candidate.rest_intact;
    for (const Extent& chunk : candidate.chunks) {
      if (const std::string* part = find_part(chunk))
        one.message.body += *part;
      else
        one.whole = false;
    }
    one.message.body += candidate.rest;
    one.finished =
        candidate.withdrawn || std::all_of(candidate.states.begin(), candidate.states.end(), is_final);
    one.states = std::move(candidate.states);
    return one;
  }

  // A file whose header is lost does not say which segment it was: its parts are known by place and checksum.
  const std::string* find_part(const Extent& chunk) const {
    for (const std::uint64_t segment : {chunk.segment, no_segment}) {
      const auto part = parts_.find(Place(segment, chunk.offset));
      if (part != parts_.end() && part->second.size() == chunk.length && crc32c(0, part->second) == chunk.crc)
        return &part->second;
    }
    return nullptr;
  }

  static constexpr std::uint64_t no_segment = 0;  // as in Salvage: they are counted from 1

  Disk& disk_;
  std::map<MessageId, Candidate> candidates_;
  std::map<Place, std::string> parts_;
  std::map<Place, std::uint32_t> wanted_;
};

}  // namespace

Expected<SalvagedMail> gather_mail(Disk& disk, std::string_view file) { return Gathering(disk).run(file); }

event::Task<Expected<Reimported>> reimport(event::Loop& home, event::BlockingPool& pool, Disk& disk,
                                           JournalSpool& spool, std::string octets, std::string reason,
                                           std::function<void(StoredMessagePtr)> take) {
  std::function<Expected<SalvagedMail>()> work = [&disk, file = std::move(octets)] {
    return gather_mail(disk, file);
  };
  auto mail = co_await event::run_blocking<SalvagedMail>(pool, home, std::move(work));
  if (!mail) co_return mail.error();
  Reimported result;
  result.unreadable_octets = mail->unreadable_octets;
  for (Salvaged& one : mail->messages) {
    const std::string id = one.message.id.to_string();
    if (one.finished) {
      result.finished.push_back(id);
      continue;
    }
    if (!one.whole) {
      result.unreadable.push_back(id + ": some of its body is missing");
      continue;
    }
    auto stored = co_await spool.store_held(home, std::move(one.message), std::move(one.states), reason);
    if (stored) {
      result.taken.push_back(id);
      take(*stored);
    } else if (stored.error().code == Errc::exists) {
      result.known.push_back(id);
    } else {
      co_return stored.error();
    }
  }
  co_return result;
}

}  // namespace sealpost::spool
