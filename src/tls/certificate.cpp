// SPDX-License-Identifier: Apache-2.0
#include "tls/certificate.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <optional>
#include <span>

#include "base/openssl_handles.hpp"
#include "base/text.hpp"

namespace sealpost::tls {

namespace {

constexpr std::size_t longest_name = 253;     // what fits the 255 octets of DNS
constexpr std::size_t longest_subject = 512;  // for people and evidence

// LDH labels, "*" allowed anywhere: where it means something is the matcher's rule (RFC 9525 §6.3). NUL,
// blanks, underscores, 8-bit and empty labels make it no host name.
bool could_be_dns_id(std::string_view name) noexcept {
  if (name.empty() || name.size() > longest_name) return false;
  char before = '.';
  for (const char c : name) {
    const char l = text::lower(c);
    const bool ldh = (l >= 'a' && l <= 'z') || (l >= '0' && l <= '9') || l == '-' || l == '*';
    if (!ldh && c != '.') return false;
    if (c == '.' && before == '.') return false;
    before = c;
  }
  return before != '.';
}

std::string_view view_of(const ASN1_STRING& string) noexcept {
  const int length = ASN1_STRING_length(&string);
  if (length <= 0) return {};
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(&string)), static_cast<std::size_t>(length)};
}

struct SubjectNames {
  std::vector<std::string> dns;
  bool any_dns = false;  // some DNS entry, even one that was left out; or a SAN that does not parse
};

SubjectNames subject_names(const X509& leaf) {
  SubjectNames result;
  int critical = -1;  // -1: absent, -2: more than once
  const GeneralNamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&leaf, NID_subject_alt_name, &critical, nullptr)));
  if (!names) {
    ERR_clear_error();
    result.any_dns = critical != -1;
    return result;
  }
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME& name = *sk_GENERAL_NAME_value(names.get(), i);
    if (name.type != GEN_DNS) continue;
    result.any_dns = true;
    const std::string_view text = view_of(*name.d.dNSName);
    if (could_be_dns_id(text)) result.dns.push_back(text::lower(text));
  }
  return result;
}

// The common name, when there is exactly one and it could be a host name.
std::string common_name(const X509_NAME& subject) {
  const int at = X509_NAME_get_index_by_NID(&subject, NID_commonName, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(&subject, NID_commonName, at) >= 0) return {};
  unsigned char* utf8 = nullptr;
  const int length = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(&subject, at)));
  if (length < 0) {
    ERR_clear_error();
    return {};
  }
  const std::string text(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(length));
  OPENSSL_free(utf8);
  return could_be_dns_id(text) ? text::lower(text) : std::string();
}

// RFC 2253 form; controls, 8-bit and separators inside values come out escaped, so it is one ASCII line.
std::string one_line(const X509_NAME& name) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  if (!out || X509_NAME_print_ex(out.get(), &name, 0, XN_FLAG_RFC2253) < 0) {
    ERR_clear_error();
    return {};
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return size > 0 ? text::printable({data, static_cast<std::size_t>(size)}, longest_subject) : std::string();
}

std::string hex_digest(const X509& certificate, int (*encode)(const X509&, unsigned char**)) {
  unsigned char* der = nullptr;
  const int length = encode(certificate, &der);
  if (length <= 0) {
    ERR_clear_error();
    return {};
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  const int ok =
      EVP_Digest(der, static_cast<std::size_t>(length), digest.data(), &size, EVP_sha256(), nullptr);
  OPENSSL_free(der);
  return ok == 1 ? text::hex(std::span(digest).first(size)) : std::string();
}

// Printable ASCII around one "@": what RFC 5280 §4.2.1.6 allows, less what would have to be quoted.
bool could_be_address(std::string_view text) noexcept {
  const std::size_t at = text.find('@');
  const auto plain = [](char c) {
    return c > ' ' && c < '\x7f' && c != '"' && c != '\\' && c != '<' && c != '>';
  };
  return at != 0 && at != text.npos && text.size() <= 320 && text.find('@', at + 1) == text.npos &&
         std::all_of(text.begin(), text.end(), plain) && could_be_dns_id(text.substr(at + 1)) &&
         text.find('*', at) == text.npos;
}

}  // namespace

std::vector<std::string> mail_addresses_in(const X509& leaf) {
  std::vector<std::string> addresses;
  const GeneralNamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&leaf, NID_subject_alt_name, nullptr, nullptr)));
  if (!names) ERR_clear_error();
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME& name = *sk_GENERAL_NAME_value(names.get(), i);
    if (name.type != GEN_EMAIL) continue;
    const std::string_view text = view_of(*name.d.rfc822Name);
    if (!could_be_address(text)) continue;
    const std::size_t at = text.find('@');
    addresses.push_back(std::string(text.substr(0, at)) + text::lower(text.substr(at)));
  }
  return addresses;
}

std::optional<SystemTime> to_system_time(const ASN1_TIME* time) noexcept {
  std::tm tm{};
  if (!time || ASN1_TIME_to_tm(time, &tm) != 1) {
    ERR_clear_error();
    return std::nullopt;
  }
  // Years up to 9999 fit the microseconds of SystemTime.
  return SystemTime(std::chrono::seconds(timegm(&tm)));
}

SystemTime not_before_of(const X509& certificate) noexcept {
  return to_system_time(X509_get0_notBefore(&certificate)).value_or(SystemTime::max());
}

SystemTime not_after_of(const X509& certificate) noexcept {
  return to_system_time(X509_get0_notAfter(&certificate)).value_or(SystemTime::min());
}

CertificateFacts read_certificate(const X509& leaf) {
  CertificateFacts facts;
  facts.subject = one_line(*X509_get_subject_name(&leaf));
  facts.issuer = one_line(*X509_get_issuer_name(&leaf));
  SubjectNames names = subject_names(leaf);
  facts.dns_names = std::move(names.dns);
  // RFC 7672 §3.2.3: the common name counts only when there is no DNS-ID at all.
  if (!names.any_dns) facts.common_name = common_name(*X509_get_subject_name(&leaf));
  facts.not_before = not_before_of(leaf);
  facts.leaf_expires = not_after_of(leaf);
  facts.chain_expires = facts.leaf_expires;
  facts.certificate_sha256 =
      hex_digest(leaf, [](const X509& c, unsigned char** der) { return i2d_X509(&c, der); });
  facts.spki_sha256 = hex_digest(leaf, [](const X509& c, unsigned char** der) {
    return i2d_X509_PUBKEY(X509_get_X509_PUBKEY(&c), der);
  });
  return facts;
}

}  // namespace sealpost::tls
