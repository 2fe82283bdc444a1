// SPDX-License-Identifier: Apache-2.0
#include "mail/relay_signing.hpp"

#include "base/text.hpp"
#include "mail/author.hpp"
#include "mail/dkim_tags.hpp"
#include "mail/header.hpp"
#include "mail/without_blanks.hpp"

namespace sealpost {
namespace {

constexpr unsigned most_signatures = 10;  // of others, looked at for ours

}  // namespace

void RelaySigning::stays_unsigned(std::string why) {
  problem_ = std::move(why);
  outcome_ = "unsigned";
  head_ = std::string();
  body_.reset();
}

void RelaySigning::begin(std::string_view first) {
  const std::size_t octets = header_octets(first);
  if (octets >= header_scan_cap) return stays_unsigned("its header is too long to be signed");
  const std::string_view head = first.substr(0, octets);
  const auto domain = author_domain(head);
  if (!domain) return stays_unsigned(domain.error().detail);
  signers_ = keys_->for_author(*domain);
  if (signers_.empty()) {
    outcome_ = "no-key";
    return;
  }
  const bool ends = head == "\r\n" || head.ends_with("\r\n\r\n");
  head_ = head.substr(0, ends ? octets - 2 : octets);
  body_.emplace();
  body_->add(first.substr(octets));
}

void RelaySigning::add(std::string_view octets) {
  if (!begun_) {
    begun_ = true;
    return begin(octets);
  }
  if (body_) body_->add(octets);
}

// A signature of ours that is there already and holds, because the message comes by for the second time: made again
// from what is there now and with its time, ours comes out the same, since both algorithms are deterministic. One that
// no longer holds gets a good one beside it.
bool RelaySigning::is_signed_by(const DkimSigner& signer, const std::string& body_hash) const {
  HeaderReader reader(head_);
  HeaderField field;
  unsigned seen = 0;
  while (seen < most_signatures && reader.next(field)) {
    if (!text::iequals(field.name, "DKIM-Signature")) continue;
    ++seen;
    const DkimTags tags = dkim_tags(field.value);
    const auto tag = [&](std::string_view name) {
      const auto found = tags.find(name);
      return found == tags.end() ? std::string() : without_blanks(found->second);
    };
    if (!text::iequals(tag("d"), signer.domain) || !text::iequals(tag("s"), signer.selector)) continue;
    const auto made = text::parse_u64(tag("t"));
    constexpr std::uint64_t last_second = 253'402'300'799;  // the year 9999
    if (tag("bh") != body_hash || !made || *made > last_second) continue;
    const auto again = dkim_signature_with(signer, head_, body_hash, SystemTime(std::chrono::seconds(*made)));
    if (!again) continue;
    const DkimTags ours = dkim_tags(again->substr(again->find(':') + 1));
    if (without_blanks(ours.find("b")->second) == tag("b")) return true;
  }
  return false;
}

std::string RelaySigning::finish(SystemTime now) {
  if (!body_) return {};
  const std::string body_hash = body_->finish_base64();
  std::string fields;
  bool already = false;
  for (const DkimSigner& signer : signers_) {
    if (is_signed_by(signer, body_hash)) {
      already = true;
      continue;
    }
    auto field = dkim_signature_with(signer, head_, body_hash, now);
    if (!field) {
      stays_unsigned(field.error().detail);
      return {};
    }
    fields += *field;
  }
  outcome_ = fields.empty() && already ? "already" : signers_.front().domain;
  return fields;
}

}  // namespace sealpost
