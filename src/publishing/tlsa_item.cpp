// SPDX-License-Identifier: Apache-2.0
#include "publishing/tlsa_item.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"

namespace sealpost::publishing {
namespace {

enum class Held : std::uint8_t { matches, some, other, not_known };

// Records of the key itself (3 1 1) are compared; what others say rests on the whole certificate, which a handshake shows.
// Each key needs a record of its own: a sender may be shown the one that has none.
Held held_against(const std::vector<TlsaRecord>& records, const std::vector<std::string>& keys) {
  std::set<std::string> named;
  bool all_of_keys = true;
  for (const TlsaRecord& record : records) {
    const bool of_key = record.usage == 3 && record.selector == 1 && record.matching == 1;
    if (of_key) named.insert(text::hex(record.data));
    all_of_keys = all_of_keys && of_key;
  }
  const auto there = static_cast<std::size_t>(
      std::count_if(keys.begin(), keys.end(), [&](const std::string& key) { return named.contains(key); }));
  if (there == keys.size()) return Held::matches;
  if (!all_of_keys) return Held::not_known;
  return there == 0 ? Held::other : Held::some;
}

void judge_absence(const TlsaHost& host, Item& item) {
  item.state = host.ignored ? State::differs : State::absent;
  item.optional = true;
  if (host.ignored)
    item.why = "records are there, but no DNSSEC vouches for them: nobody looks at them";
  else if (!host.vouched)
    item.why = "no DNSSEC vouches for the way to this host, without which such records count for nothing";
  else
    item.why = "senders cannot demand this host's key";
  if (!host.vouched)
    item.remedy = "have the zone signed first";
  else
    item.remedy = host.ours ? "publish this record"
                            : "ask who runs the host to publish them, and to keep them as its keys change";
}

void judge_usable(const DaneState& dane, const TlsaHost& host, Item& item) {
  item.state = State::ok;
  const Held held = host.ours && !host.keys.empty() ? held_against(dane.usable, host.keys) : Held::not_known;
  switch (held) {
    case Held::matches: break;
    case Held::not_known:
      item.why = "whether they match is seen in a handshake";
      item.remedy = "'sealpost policy probe " + host.domain + "' compares them with what the host shows";
      break;
    case Held::some:
      item.state = State::differs;
      item.why =
          "one of the keys that our listeners show has none: senders that look and are shown it do not "
          "deliver here";
      item.remedy = "publish all of these records";
      break;
    case Held::other:
      item.state = State::differs;
      item.why = "none is of the key of our listeners' certificate: senders that look do not deliver here";
      item.remedy = "publish this record beside them, and take the others away when their keys are gone";
      break;
  }
}

}  // namespace

Item judge_tlsa(const DaneState& dane, const TlsaHost& host) {
  Item item("TLSA records", "_25._tcp." + (dane.base_domain.empty() ? host.name : dane.base_domain), "TLSA");
  if (host.ours)
    for (const std::string& key : host.keys) item.publish.push_back("3 1 1 " + key);
  for (const TlsaRecord& record : dane.all) item.found.push_back(text::printable(to_text(record), 300));
  switch (dane.kind) {
    case DaneState::Kind::disabled:
      item.optional = true;
      item.why = "nothing is known of DNSSEC here: " + text::printable(dane.failure_reason);
      item.remedy = "let the relay ask a validating resolver on its own machine ([dns] servers)";
      break;
    case DaneState::Kind::failed:
      item.why = "the lookup failed (" + text::printable(dane.failure_reason) +
                 "); where it fails for others too, senders that look do not deliver";
      item.remedy =
          "see that the name servers of the zone answer for this name, and that its signatures are right";
      break;
    case DaneState::Kind::none: judge_absence(host, item); break;
    case DaneState::Kind::unusable:
      item.state = State::differs;
      item.why = "no record is of a kind that mail servers use: senders encrypt and verify nothing";
      item.remedy = "publish records '3 1 1' with the SHA-256 of the host's public key";
      break;
    case DaneState::Kind::usable: judge_usable(dane, host, item); break;
  }
  return item;
}

}  // namespace sealpost::publishing
