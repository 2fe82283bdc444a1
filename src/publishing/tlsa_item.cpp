// SPDX-License-Identifier: Apache-2.0
#include "publishing/tlsa_item.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace sealpost::publishing {
namespace {

enum class Held : std::uint8_t { matches, other, not_known };

// Records of the key itself (3 1 1) are compared; what others say rests on the whole certificate, which a handshake shows.
Held held_against(const std::vector<TlsaRecord>& records, const std::string& key) {
  bool all_of_keys = true;
  for (const TlsaRecord& record : records) {
    const bool of_key = record.usage == 3 && record.selector == 1 && record.matching == 1;
    if (of_key && text::hex(record.data) == key) return Held::matches;
    all_of_keys = all_of_keys && of_key;
  }
  return all_of_keys ? Held::other : Held::not_known;
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
  const Held held = host.ours && !host.key.empty() ? held_against(dane.usable, host.key) : Held::not_known;
  switch (held) {
    case Held::matches: break;
    case Held::not_known:
      item.why = "whether they match is seen in a handshake";
      item.remedy = "'sealpost policy probe " + host.domain + "' compares them with what the host shows";
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
  if (host.ours && !host.key.empty()) item.publish = {"3 1 1 " + host.key};
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
