// SPDX-License-Identifier: Apache-2.0
//
// Certificates for tests, made when the test runs: good ones, and those no authority would issue. Keys are
// made once per kind and shared.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/openssl_handles.hpp"
#include "sealpost/clock.hpp"

namespace sealpost::test {

// When the test began, whole seconds. Certificates are valid from a day before to a year after, unless told.
SystemTime test_now();

enum class KeyKind { p256, p256_other, rsa_2048, rsa_1024, ed25519 };
EvpKeyPtr key_of(KeyKind kind);

struct CertificateSpec {
  CertificateSpec() = default;
  CertificateSpec(std::string common_name_, std::vector<std::string> dns_)
      : common_name(std::move(common_name_)), dns(std::move(dns_)) {}

  std::string common_name;
  std::vector<std::string> more_common_names;
  std::vector<std::string> dns;        // as given: NUL, 8-bit, anything; none: no SAN
  std::vector<std::string> addresses;  // iPAddress entries, raw octets
  std::vector<std::string> emails;     // rfc822Name entries, as given
  bool twice = false;                  // the SAN extension stands there twice
  SystemTime not_before = test_now() - std::chrono::days(1);
  SystemTime not_after = test_now() + std::chrono::days(365);
  KeyKind key = KeyKind::p256;
  const char* digest = "SHA256";  // of the signature; nullptr for ed25519
  std::optional<std::string>
      basic_constraints;  // OpenSSL's configuration syntax: "critical,CA:TRUE,pathlen:0"
  std::optional<std::string> key_usage;
  std::optional<std::string> extended_key_usage;
  std::optional<std::string> name_constraints;
  bool unknown_critical_extension = false;
  bool damaged = false;  // the signature does not verify
};

struct Issued {
  Issued() = default;
  Issued(X509Ptr certificate_, EvpKeyPtr key_) : certificate(std::move(certificate_)), key(std::move(key_)) {}
  X509Ptr certificate;
  EvpKeyPtr key;
  std::string pem() const;
  std::string key_pem() const;
};

Issued self_signed(const CertificateSpec& spec);
Issued issue(const CertificateSpec& spec, const Issued& issuer);
// Specs of an ordinary root, intermediate and server.
CertificateSpec authority(std::string common_name);
CertificateSpec server(std::string name);

X509StackPtr stack_of(const std::vector<const X509*>& certificates);

}  // namespace sealpost::test
