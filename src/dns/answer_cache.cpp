// SPDX-License-Identifier: Apache-2.0
#include "dns/answer_cache.hpp"

namespace sealpost::dns {

std::size_t weight_of(const Answer& answer) noexcept {
  std::size_t weight = sizeof(Answer) + 128 + answer.canonical.size() + answer.why.size();
  for (const Alias& alias : answer.aliases) weight += sizeof alias + alias.owner.size() + alias.target.size();
  for (const Mx& mx : answer.mx) weight += sizeof mx + mx.exchange.size();
  for (const std::string& text : answer.texts) weight += sizeof text + text.size();
  for (const TlsaRecord& record : answer.tlsa) weight += sizeof record + record.data.size();
  return weight + answer.addresses.size() * sizeof(IpAddress);
}

AnswerPtr AnswerCache::find(const Question& question, SteadyTime now, SteadyTime not_before) {
  const auto found = index_.find(question);
  if (found == index_.end()) return nullptr;
  const auto entry = found->second;
  if (entry->answer->expires <= now) {
    erase(entry);
    return nullptr;
  }
  if (entry->put_at < not_before) return nullptr;
  entries_.splice(entries_.begin(), entries_, entry);
  return entry->answer;
}

void AnswerCache::put(const Question& question, AnswerPtr answer, SteadyTime now) {
  if (const auto found = index_.find(question); found != index_.end()) erase(found->second);
  if (answer->expires <= now) return;
  const std::size_t weight = weight_of(*answer) + 2 * question.name.size();
  entries_.push_front(Entry{question, std::move(answer), now, weight});
  index_.emplace(question, entries_.begin());
  octets_ += weight;
  while (index_.size() > most_answers_ || octets_ > most_octets_) erase(std::prev(entries_.end()));
}

void AnswerCache::erase(Entries::iterator entry) {
  octets_ -= entry->weight;
  index_.erase(entry->question);
  entries_.erase(entry);
}

}  // namespace sealpost::dns
