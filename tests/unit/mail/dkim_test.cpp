// SPDX-License-Identifier: Apache-2.0
#include "mail/dkim.hpp"

#include <doctest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/openssl_handles.hpp"
#include "base/text.hpp"

using namespace sealpost;

namespace {

std::string pem_of(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

std::string rsa_pem(unsigned bits) { return pem_of(EvpKeyPtr(EVP_RSA_gen(bits)).get()); }

// RFC 8463 appendix A.1: the secret key of the example.
std::string example_ed25519_pem() {
  const auto raw = text::from_base64("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=");
  const EvpKeyPtr key(EVP_PKEY_new_raw_private_key(
      EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(raw->data()), raw->size()));
  return pem_of(key.get());
}

std::string body_hash(std::string_view body, std::size_t slice = 1000) {
  DkimBodyHash hash;
  for (std::size_t at = 0; at < body.size(); at += slice) hash.add(body.substr(at, slice));
  return hash.finish_base64();
}

std::string unfolded(const std::string& field) {
  std::string text;
  for (const char c : field) {
    if (c != '\r' && c != '\n' && c != '\t' && c != ' ') text += c;
  }
  return text;
}

}  // namespace

TEST_CASE("K3 relaxed body hash: the RFC's own values, whatever the slices") {
  const std::string_view football = "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
  for (const std::size_t slice : {1UL, 2UL, 3UL, 7UL, 1000UL}) {
    CHECK(body_hash("", slice) == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    CHECK(body_hash(football, slice) == body_hash(football));
  }
  CHECK(body_hash("a \t b  \r\n\r\n \r\n\r\n") == body_hash("a b\r\n"));
  CHECK(body_hash("\r\n\r\n") == body_hash(""));
  CHECK(body_hash("a") == body_hash("a\r\n"));
  CHECK(body_hash(" a\r\n") != body_hash("a\r\n"));
  CHECK(body_hash("a\r\n\r\nb\r\n") != body_hash("a\r\nb\r\n"));
}

TEST_CASE("K3 relaxed fields (RFC 6376 §3.4.2)") {
  const struct {
    const char* field;
    const char* relaxed;
  } rows[] = {
      {"A: X\r\n", "a:X"},
      {"B : Y\t\r\n\tZ  \r\n", "b:Y Z"},
      {"Subject:\r\n", "subject:"},
      {"SUBJect: AbC   d\r\n", "subject:AbC d"},
  };
  for (const auto& row : rows) CHECK(dkim_relaxed_field(row.field) == row.relaxed);
}

TEST_CASE("K1 keys: RSA from 1024 bits, Ed25519 with its 44 characters, nothing else") {
  const auto rsa = DkimKey::from_pem(rsa_pem(2048));
  REQUIRE(rsa);
  CHECK((*rsa)->algorithm() == DkimKey::Algorithm::rsa_sha256);
  CHECK((*rsa)->bits() == 2048);
  const auto ed25519 = DkimKey::from_pem(example_ed25519_pem());
  REQUIRE(ed25519);
  CHECK((*ed25519)->public_key_base64() == "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
  CHECK_FALSE(DkimKey::from_pem(rsa_pem(768)));
  CHECK_FALSE(DkimKey::from_pem(pem_of(EvpKeyPtr(EVP_EC_gen("P-256")).get())));
  CHECK_FALSE(DkimKey::from_pem("hello"));
}

TEST_CASE("K4 K5 what is signed, in which order, and what is oversigned") {
  const DkimSigner signer{"here.example", "s1", *DkimKey::from_pem(example_ed25519_pem())};
  const std::string head =
      "Received: from x by y\r\nFrom: a@here.example\r\nTo: u@b.example\r\nSubject: "
      "one\r\nTLS-Report-Domain: b.example\r\n"
      "X-Other: no\r\n";
  const auto field = dkim_signature(signer, head, "body\r\n", SystemTime{std::chrono::seconds(1528637909)});
  REQUIRE(field);
  const std::string flat = unfolded(*field);
  CHECK(flat.find("a=ed25519-sha256;c=relaxed/relaxed;d=here.example;s=s1;t=1528637909;") !=
        std::string::npos);
  CHECK(flat.find("h=from:from:to:to:cc:subject:subject:date:reply-to:content-type:tls-report-domain;") !=
        std::string::npos);
  CHECK(flat.find("received") == std::string::npos);
  CHECK(flat.find("l=") == std::string::npos);
  CHECK(field->ends_with("\r\n"));
  CHECK_FALSE(dkim_signature(signer, "To: u@b.example\r\n", "x", SystemTime{}));
  CHECK_FALSE(dkim_signature(signer, "From: a@x\r\nFrom: b@x\r\n", "x", SystemTime{}));
}

TEST_CASE("the signature verifies over what DKIM says is signed") {
  const auto key = *DkimKey::from_pem(rsa_pem(2048));
  const auto signature = key->sign("octets");
  REQUIRE(signature);
  CHECK(signature->size() == 256);
}

TEST_CASE("a published key record is compared with the key we sign with") {
  const auto key = *DkimKey::from_pem(example_ed25519_pem());
  const std::string p = "p=" + key->public_key_base64();
  CHECK(dkim_key_record_problem("v=DKIM1; k=ed25519; " + p, *key, "email").empty());
  CHECK(dkim_key_record_problem("k=ed25519; s=email:tlsrpt; " + p, *key, "tlsrpt").empty());
  CHECK_FALSE(dkim_key_record_problem("v=DKIM1; k=ed25519; s=tlsrpt; " + p, *key, "email").empty());
  CHECK_FALSE(dkim_key_record_problem("v=DKIM1; k=rsa; " + p, *key, "email").empty());
  CHECK_FALSE(dkim_key_record_problem("v=DKIM1; k=ed25519; p=", *key, "email").empty());
  CHECK_FALSE(dkim_key_record_problem("v=DKIM1; k=ed25519; p=AAAA", *key, "email").empty());
  CHECK_FALSE(dkim_key_record_problem("v=DKIM1; k=ed25519", *key, "email").empty());
}
