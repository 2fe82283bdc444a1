// SPDX-License-Identifier: Apache-2.0
#include "certificates.hpp"

#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <map>
#include <stdexcept>

namespace sealpost::test {

namespace {

void must(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(what);
}

EVP_PKEY* make_key(KeyKind kind) {
  switch (kind) {
    case KeyKind::p256:
    case KeyKind::p256_other: return EVP_EC_gen("P-256");
    case KeyKind::rsa_2048: return EVP_RSA_gen(2048);
    case KeyKind::rsa_1024: return EVP_RSA_gen(1024);
    case KeyKind::ed25519: return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  }
  return nullptr;
}

void add_extension(X509& certificate, const X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, const_cast<X509*>(issuer), &certificate, nullptr, nullptr, 0);
  X509V3_set_ctx_nodb(&context);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  must(extension && X509_add_ext(&certificate, extension, -1) == 1, value.c_str());
  X509_EXTENSION_free(extension);
}

void add_name(GENERAL_NAMES& names, int type, const std::string& raw) {
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_STRING* string = ASN1_STRING_type_new(type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
  ASN1_STRING_set(string, raw.data(), static_cast<int>(raw.size()));
  GENERAL_NAME_set0_value(name, type, string);
  must(sk_GENERAL_NAME_push(&names, name) > 0, "general name");
}

void add_names(X509& certificate, const CertificateSpec& spec) {
  if (spec.dns.empty() && spec.addresses.empty() && spec.emails.empty()) return;
  const GeneralNamesPtr names(sk_GENERAL_NAME_new_null());
  for (const std::string& dns : spec.dns) add_name(*names, GEN_DNS, dns);
  for (const std::string& email : spec.emails) add_name(*names, GEN_EMAIL, email);
  for (const std::string& address : spec.addresses) add_name(*names, GEN_IPADD, address);
  for (int i = 0; i < (spec.twice ? 2 : 1); ++i) {
    must(X509_add1_ext_i2d(&certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_APPEND) == 1,
         "SAN");
  }
}

void add_unknown_critical(X509& certificate) {
  ASN1_OBJECT* object = OBJ_txt2obj("1.3.6.1.4.1.99999.1", 1);
  ASN1_OCTET_STRING* data = ASN1_OCTET_STRING_new();
  ASN1_OCTET_STRING_set(data, reinterpret_cast<const unsigned char*>("\x05\x00"), 2);
  X509_EXTENSION* extension = X509_EXTENSION_create_by_OBJ(nullptr, object, 1, data);
  must(X509_add_ext(&certificate, extension, -1) == 1, "extension");
  X509_EXTENSION_free(extension);
  ASN1_OCTET_STRING_free(data);
  ASN1_OBJECT_free(object);
}

void set_time(ASN1_TIME* field, SystemTime time) {
  must(ASN1_TIME_set(field, std::chrono::system_clock::to_time_t(time)) != nullptr, "time");
}

// Flips a bit of the signature of the finished certificate.
X509Ptr damage(const X509& certificate) {
  unsigned char* der = nullptr;
  const int length = i2d_X509(&certificate, &der);
  must(length > 0, "encode");
  der[length - 1] ^= 1;
  const unsigned char* at = der;
  X509Ptr damaged(d2i_X509(nullptr, &at, length));
  OPENSSL_free(der);
  must(damaged != nullptr, "decode");
  return damaged;
}

Issued make(const CertificateSpec& spec, const Issued* issuer) {
  static long serial = 1000;
  X509Ptr made(X509_new());
  EvpKeyPtr key = key_of(spec.key);
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial);
  X509_NAME* subject = X509_get_subject_name(made.get());
  auto add_common_name = [&](const std::string& name) {
    must(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(name.data()),
                                    static_cast<int>(name.size()), -1, 0) == 1,
         "common name");
  };
  if (!spec.common_name.empty()) add_common_name(spec.common_name);
  for (const std::string& name : spec.more_common_names) add_common_name(name);
  X509_set_issuer_name(made.get(), issuer ? X509_get_subject_name(issuer->certificate.get()) : subject);
  set_time(X509_getm_notBefore(made.get()), spec.not_before);
  set_time(X509_getm_notAfter(made.get()), spec.not_after);
  X509_set_pubkey(made.get(), key.get());

  const X509* signer = issuer ? issuer->certificate.get() : made.get();
  add_extension(*made, signer, NID_subject_key_identifier, "hash");
  if (issuer) add_extension(*made, signer, NID_authority_key_identifier, "keyid");
  if (spec.basic_constraints) add_extension(*made, signer, NID_basic_constraints, *spec.basic_constraints);
  if (spec.key_usage) add_extension(*made, signer, NID_key_usage, *spec.key_usage);
  if (spec.extended_key_usage) add_extension(*made, signer, NID_ext_key_usage, *spec.extended_key_usage);
  if (spec.name_constraints) add_extension(*made, signer, NID_name_constraints, *spec.name_constraints);
  if (spec.unknown_critical_extension) add_unknown_critical(*made);
  add_names(*made, spec);

  EVP_PKEY* signing = issuer ? issuer->key.get() : key.get();
  const bool ed25519 = EVP_PKEY_get_id(signing) == EVP_PKEY_ED25519;
  must(X509_sign(made.get(), signing, ed25519 ? nullptr : EVP_get_digestbyname(spec.digest)) > 0, "sign");
  if (spec.damaged) made = damage(*made);
  return Issued(std::move(made), std::move(key));
}

std::string text_of(BIO& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(&bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

}  // namespace

SystemTime test_now() {
  static const SystemTime now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  return now;
}

EvpKeyPtr key_of(KeyKind kind) {
  static std::map<KeyKind, EvpKeyPtr> keys;
  EvpKeyPtr& key = keys[kind];
  if (!key) key.reset(make_key(kind));
  must(key != nullptr && EVP_PKEY_up_ref(key.get()) == 1, "key");
  return EvpKeyPtr(key.get());
}

std::string Issued::pem() const {
  const BioPtr out(BIO_new(BIO_s_mem()));
  must(PEM_write_bio_X509(out.get(), certificate.get()) == 1, "pem");
  return text_of(*out);
}

std::string Issued::key_pem() const {
  const BioPtr out(BIO_new(BIO_s_mem()));
  must(PEM_write_bio_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1, "key pem");
  return text_of(*out);
}

Issued self_signed(const CertificateSpec& spec) { return make(spec, nullptr); }
Issued issue(const CertificateSpec& spec, const Issued& issuer) { return make(spec, &issuer); }

CertificateSpec authority(std::string common_name) {
  CertificateSpec spec(std::move(common_name), {});
  spec.key = KeyKind::p256_other;
  spec.basic_constraints = "critical,CA:TRUE";
  spec.key_usage = "critical,keyCertSign,cRLSign";
  return spec;
}

CertificateSpec server(std::string name) {
  CertificateSpec spec(name, {name});
  spec.basic_constraints = "critical,CA:FALSE";
  spec.key_usage = "critical,digitalSignature";
  spec.extended_key_usage = "serverAuth";
  return spec;
}

X509StackPtr stack_of(const std::vector<const X509*>& certificates) {
  X509StackPtr stack(sk_X509_new_null());
  for (const X509* certificate : certificates) {
    X509* shared = const_cast<X509*>(certificate);
    X509_up_ref(shared);
    sk_X509_push(stack.get(), shared);
  }
  return stack;
}

}  // namespace sealpost::test
