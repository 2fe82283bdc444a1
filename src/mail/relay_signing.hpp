// SPDX-License-Identifier: Apache-2.0
//
// RelaySigning: the DKIM signatures of one message that passes through us, made while it passes (RFC 6376, K1-K7). Fed
// with the message as it came, which is what will be sent; gives the fields to put in front. Pure but for the keys.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "mail/dkim.hpp"
#include "mail/dkim_keyring.hpp"

namespace sealpost {

class RelaySigning {
 public:
  explicit RelaySigning(std::shared_ptr<const DkimKeyring> keys) : keys_(std::move(keys)) {}

  // The next piece, CRLF line ends, without dot-stuffing and without our own Received field. The first piece holds the
  // whole header, or there will be no signature.
  void add(std::string_view octets);

  // Once, after the last piece: DKIM-Signature fields with their CRLF; empty when the message stays unsigned.
  std::string finish(SystemTime now);

  // What became of it: the domain it is signed for, "already" when it carries our valid signatures, "no-key" when no key
  // is configured for its author, "unsigned" when it cannot be signed.
  const std::string& outcome() const noexcept { return outcome_; }
  // Why it cannot be signed, for people; empty otherwise.
  const std::string& problem() const noexcept { return problem_; }
  std::size_t held() const noexcept { return head_.size(); }  // octets kept of the message

 private:
  void begin(std::string_view first);
  void stays_unsigned(std::string why);
  bool is_signed_by(const DkimSigner& signer, const std::string& body_hash) const;

  std::shared_ptr<const DkimKeyring> keys_;
  std::span<const DkimSigner> signers_;
  bool begun_ = false;
  std::string head_;
  std::optional<DkimBodyHash> body_;  // set: there is something to sign
  std::string outcome_ = "unsigned";
  std::string problem_;
};

}  // namespace sealpost
