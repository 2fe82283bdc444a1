// SPDX-License-Identifier: Apache-2.0
#include "tls/client_certificate.hpp"

#include <openssl/err.h>

#include <new>

#include "tls/certificate.hpp"
#include "tls/openssl_error.hpp"
#include "tls/pem_file.hpp"
#include "tls/verify.hpp"

namespace sealpost::tls {
namespace {

constexpr int most_names =
    100;  // of authorities in a handshake: a bundle of all roots helps no client choose
constexpr long largest_list = 32 * 1024;  // octets of a client's chain

int take_any(int, X509_STORE_CTX*) { return 1; }  // judged afterwards

}  // namespace

Expected<std::shared_ptr<const ClientAuthorities>> ClientAuthorities::load(
    const std::vector<std::string>& files) {
  std::string all;
  for (const std::string& file : files) {
    auto pem = read_pem_file(file);
    if (!pem) return std::move(pem).error();
    if (auto alone = TrustStore::from_pem(*pem); !alone)
      return Error(alone.error().code, file + ": " + alone.error().detail);
    all += *pem + "\n";
  }
  return from_pem(all);
}

Expected<std::shared_ptr<const ClientAuthorities>> ClientAuthorities::from_pem(std::string_view pem) {
  auto made = std::make_shared<ClientAuthorities>();
  if (pem.empty()) return std::shared_ptr<const ClientAuthorities>(std::move(made));
  auto trust = TrustStore::from_pem(pem);
  if (!trust) return std::move(trust).error();
  made->trust_ = std::move(*trust);
  const X509StackPtr certificates(X509_STORE_get1_all_certs(made->trust_->get()));
  if (!certificates) return take_error(Errc::unavailable, "cannot list the authorities of clients");
  if (sk_X509_num(certificates.get()) <= most_names) {
    made->names_.reset(sk_X509_NAME_new_null());
    if (!made->names_) throw std::bad_alloc();
    for (int i = 0; i < sk_X509_num(certificates.get()); ++i) {
      X509_NAME* name = X509_NAME_dup(X509_get_subject_name(sk_X509_value(certificates.get(), i)));
      if (name == nullptr || sk_X509_NAME_push(made->names_.get(), name) <= 0) throw std::bad_alloc();
    }
  }
  return std::shared_ptr<const ClientAuthorities>(std::move(made));
}

bool ClientAuthorities::ask(SSL& ssl) const {
  SSL_set_verify(&ssl, SSL_VERIFY_PEER, take_any);
  SSL_set_max_cert_list(&ssl, largest_list);
  SSL_set_options(&ssl, SSL_OP_NO_TICKET);
  if (names_) {
    STACK_OF(X509_NAME)* names = SSL_dup_CA_list(names_.get());
    if (names == nullptr) return false;
    SSL_set0_CA_list(&ssl, names);
  }
  return SSL_set_num_tickets(&ssl, 0) == 1;
}

std::shared_ptr<const ClientCertificate> client_certificate(SSL& ssl, const ClientAuthorities& authorities,
                                                            SystemTime now) {
  X509* leaf = SSL_get0_peer_certificate(&ssl);
  if (leaf == nullptr) return nullptr;
  CertificateFacts facts = read_certificate(*leaf);
  auto shown = std::make_shared<ClientCertificate>();
  shown->dns_names = std::move(facts.dns_names);
  shown->addresses = mail_addresses_in(*leaf);
  shown->certificate_sha256 = std::move(facts.certificate_sha256);
  shown->key_sha256 = std::move(facts.spki_sha256);
  shown->subject = std::move(facts.subject);
  if (authorities.trust() == nullptr) {
    shown->why = "no authority is trusted here";
    return shown;
  }
  const ChainVerification chain =
      verify_client(*authorities.trust(), *leaf, SSL_get_peer_cert_chain(&ssl), now);
  shown->trusted = chain.result.ok();
  if (!shown->trusted) shown->why = chain.result.token;
  return shown;
}

}  // namespace sealpost::tls
