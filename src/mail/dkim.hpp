// SPDX-License-Identifier: Apache-2.0
//
// DKIM signing (RFC 6376, RFC 8301, RFC 8463): relaxed/relaxed, rsa-sha256 and ed25519-sha256. Pure but for the key,
// which OpenSSL holds. Verification is not our work.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sealpost/clock.hpp"
#include "sealpost/expected.hpp"

namespace sealpost {

// A private key for signing. Shared, immutable, usable from any thread.
class DkimKey {
 public:
  // PEM: RSA of at least 1024 bits (RFC 8301 §3.2) or Ed25519. Errc::invalid says what it is instead.
  static Expected<std::shared_ptr<const DkimKey>> from_pem(std::string_view pem);
  // A key that lives elsewhere: its SubjectPublicKeyInfo (DER), and who signs a SHA-256 value with it, on any thread.
  using Signer = std::function<Expected<std::string>(std::string_view sha256)>;
  static Expected<std::shared_ptr<const DkimKey>> elsewhere(std::string_view public_key, Signer signer);
  ~DkimKey();

  enum class Algorithm : std::uint8_t { rsa_sha256, ed25519_sha256 };
  Algorithm algorithm() const noexcept { return algorithm_; }
  unsigned bits() const noexcept { return bits_; }
  // What the key record must hold in p=: base64 of the SubjectPublicKeyInfo (RSA) or of the raw 32 octets (Ed25519).
  std::string public_key_base64() const;
  // Signature over the octets as DKIM wants it: RSA over their SHA-256, Ed25519 over the 32-octet SHA-256 (RFC 8463 §3).
  Expected<std::string> sign(std::string_view octets) const;

 private:
  struct Impl;
  static Expected<std::shared_ptr<const DkimKey>> checked(std::unique_ptr<Impl> impl);
  DkimKey(std::unique_ptr<Impl> impl, Algorithm algorithm, unsigned bits);
  std::unique_ptr<Impl> impl_;
  Algorithm algorithm_;
  unsigned bits_;
};

struct DkimSigner {
  std::string domain;    // d=
  std::string selector;  // s=
  std::shared_ptr<const DkimKey> key;
};

// The DKIM-Signature field (with its CRLF) to put in front of the message. `head` is the header with its final CRLF but
// without the empty line, `body` the body; both with CRLF line ends and without dot-stuffing (K2). Signs From and what
// else K4 names when present; From, To, Cc, Subject, Date, Reply-To and Content-Type are oversigned (K5).
// Errc::invalid: no From, or more than one.
Expected<std::string> dkim_signature(const DkimSigner& signer, std::string_view head, std::string_view body,
                                     SystemTime now);

// The same with a body hash made elsewhere, for bodies that are streamed.
Expected<std::string> dkim_signature_with(const DkimSigner& signer, std::string_view head,
                                          const std::string& body_hash_base64, SystemTime now);

// The body hash in pieces: relaxed canonicalization (RFC 6376 §3.4.4), no l=.
class DkimBodyHash {
 public:
  DkimBodyHash();
  ~DkimBodyHash();
  void add(std::string_view octets);
  std::string finish_base64();  // once

 private:
  void put(std::string_view octets);
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::size_t empty_lines_ = 0;  // not yet known to be trailing
  bool space_ = false;           // a run of WSP, not yet known to be trailing
  bool line_empty_ = true;
};

// RFC 6376 §3.4.2, for one whole field including its CRLF; the result ends without CRLF.
std::string dkim_relaxed_field(std::string_view field);

// Does a published key record (RFC 6376 §3.6.1) hold this key and allow it for `service` ("email", "tlsrpt")?
// Empty: yes. Otherwise why not, for people.
std::string dkim_key_record_problem(std::string_view record, const DkimKey& key, std::string_view service);

}  // namespace sealpost
