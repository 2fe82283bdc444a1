// SPDX-License-Identifier: Apache-2.0
#include "publishing/key_record.hpp"

#include "base/text.hpp"

namespace sealpost::publishing {
namespace {

constexpr unsigned good_rsa_bits = 2048;  // RFC 8301 §3.2: SHOULD

}  // namespace

std::string key_record_name(const DkimSigner& signer) {
  return signer.selector + "._domainkey." + signer.domain;
}

std::string key_record_of(const DkimKey& key) {
  const bool rsa = key.algorithm() == DkimKey::Algorithm::rsa_sha256;
  return std::string("v=DKIM1; k=") + (rsa ? "rsa" : "ed25519") + "; p=" + key.public_key_base64();
}

Item judge_key_record(const dns::Answer& answer, const DkimSigner& signer, KeyUse use) {
  Item item("DKIM key", key_record_name(signer), "TXT");
  item.publish = {key_record_of(*signer.key)};
  for (const std::string& record : answer.texts) item.found.push_back(text::printable(record, 1000));
  if (answer.status == dns::Status::failed) {
    item.why = "the lookup failed: " + answer.why;
    return item;
  }
  item.state = State::differs;
  if (answer.texts.empty()) {
    item.state = State::absent;
    item.why = "no key record is published";
  } else if (answer.texts.size() > 1) {  // RFC 6376 §3.6.2.2: receivers may take any of them, or none
    item.why = std::to_string(answer.texts.size()) + " key records are published where exactly one may be";
  } else {
    if (use.mail) item.why = dkim_key_record_problem(answer.texts.front(), *signer.key, "email");
    if (item.why.empty() && use.reports)
      item.why = dkim_key_record_problem(answer.texts.front(), *signer.key, "tlsrpt");
    if (item.why.empty()) item.state = State::ok;
  }
  if (item.state != State::ok) {
    item.remedy = "publish: " + item.publish.front();
  } else if (signer.key->algorithm() == DkimKey::Algorithm::rsa_sha256 &&
             signer.key->bits() < good_rsa_bits) {
    item.why =
        "the key has " + std::to_string(signer.key->bits()) + " bits, which some receivers find too few";
    item.remedy = "make an RSA key of 2048 bits under a new selector";
  }
  return item;
}

}  // namespace sealpost::publishing
