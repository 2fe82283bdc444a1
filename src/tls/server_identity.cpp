// SPDX-License-Identifier: Apache-2.0
#include "tls/server_identity.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <new>

#include "keys/key_file.hpp"
#include "tls/certificate.hpp"
#include "tls/pem_file.hpp"

namespace sealpost::tls {

namespace {

struct Chain {
  X509Ptr leaf;
  X509StackPtr others;
};

Expected<Chain> read_chain(std::string_view pem) {
  ERR_clear_error();
  const BioPtr in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Chain chain;
  chain.others.reset(sk_X509_new_null());
  if (!in || !chain.others) throw std::bad_alloc();
  while (X509Ptr certificate{PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)}) {
    if (!chain.leaf) {
      chain.leaf = std::move(certificate);
    } else if (sk_X509_push(chain.others.get(), certificate.get()) > 0) {
      certificate.release();
    } else {
      throw std::bad_alloc();
    }
  }
  if (auto left = pem_left_over("the certificate"); !left) return std::move(left).error();
  if (!chain.leaf)
    return Error(Errc::invalid, "no certificate in it; PEM with the server's own first is needed");
  return chain;
}

Error in_file(const std::string& path, Error error) {
  error.detail.insert(0, path + ": ");
  return error;
}

Expected<std::shared_ptr<const ServerIdentity>> assemble(Chain chain, EvpKeyPtr key,
                                                         std::optional<OcspStaple> staple = {}) {
  ERR_clear_error();
  if (X509_check_private_key(chain.leaf.get(), key.get()) != 1) {
    ERR_clear_error();
    return Error(Errc::invalid, "the key does not belong to the first certificate of the chain");
  }
  return std::make_shared<const ServerIdentity>(std::move(chain.leaf), std::move(chain.others),
                                                std::move(key), std::move(staple));
}

}  // namespace

Expected<std::shared_ptr<const ServerIdentity>> ServerIdentity::load(const std::string& certificate,
                                                                     const std::string& key,
                                                                     const keys::Source& keys,
                                                                     const std::string& staple) {
  auto chain_pem = read_pem_file(certificate);
  if (!chain_pem) return std::move(chain_pem).error();
  auto chain = read_chain(*chain_pem);
  if (!chain) return in_file(certificate, std::move(chain).error());
  const auto private_key = keys.load(key, keys::Use::tls);
  if (!private_key) return private_key.error();
  std::optional<OcspStaple> response;
  if (!staple.empty()) {
    auto read = OcspStaple::load(staple, *chain->leaf, *chain->others);
    if (!read) return std::move(read).error();
    response = std::move(*read);
  }
  EVP_PKEY_up_ref((*private_key)->tls.get());
  auto identity = assemble(std::move(*chain), EvpKeyPtr((*private_key)->tls.get()), std::move(response));
  if (!identity) return in_file(key, std::move(identity).error());
  return identity;
}

Expected<std::shared_ptr<const ServerIdentity>> ServerIdentity::from_pem(std::string_view certificate,
                                                                         std::string_view key) {
  auto chain = read_chain(certificate);
  if (!chain) return std::move(chain).error();
  auto private_key = keys::parse_key(key);
  if (!private_key) return std::move(private_key).error();
  return assemble(std::move(*chain), std::move(*private_key));
}

ServerIdentity::ServerIdentity(X509Ptr leaf, X509StackPtr chain, EvpKeyPtr key,
                               std::optional<OcspStaple> staple)
    : leaf_(std::move(leaf)), chain_(std::move(chain)), key_(std::move(key)), staple_(std::move(staple)) {
  CertificateFacts facts = read_certificate(*leaf_);
  leaf_sha256_ = std::move(facts.certificate_sha256);
  key_sha256_ = std::move(facts.spki_sha256);
  names_ = std::move(facts.dns_names);
}

bool ServerIdentity::install(SSL& ssl) const noexcept {
  return SSL_use_cert_and_key(&ssl, leaf_.get(), key_.get(), chain_.get(), 1) == 1;
}

bool ServerIdentity::install(SSL_CTX& context) const noexcept {
  return SSL_CTX_use_cert_and_key(&context, leaf_.get(), key_.get(), chain_.get(), 1) == 1;
}

int ServerIdentity::key_type() const noexcept { return EVP_PKEY_get_base_id(X509_get0_pubkey(leaf_.get())); }

SystemTime ServerIdentity::expires() const noexcept { return not_after_of(*leaf_); }

std::optional<Objection> ServerIdentity::objection(SystemTime now, std::chrono::seconds soon) const {
  using Kind = Objection::Kind;
  const std::string renew = "renew it, then reload (SIGHUP)";
  const SystemTime end = expires(), begin = not_before_of(*leaf_);
  if (now >= end) return Objection{Kind::refused, "expired on " + to_utc_day(end), renew};
  if (now < begin)
    return Objection{Kind::refused, "is not valid before " + to_rfc3339(begin), "look at the clock, or wait"};
  const auto of_staple = staple_objection(now);
  if (of_staple && of_staple->kind == Kind::refused) return of_staple;
  if (now + soon >= end) return Objection{Kind::ends_soon, "expires on " + to_utc_day(end), renew};
  return of_staple;
}

// One that may not be shown is missed by nobody, unless the certificate demands it (RFC 7633).
std::optional<Objection> ServerIdentity::staple_objection(SystemTime now) const {
  using Kind = Objection::Kind;
  const std::string fetch = "fetch it anew (openssl ocsp), then reload (SIGHUP)";
  const bool demanded = must_be_stapled(*leaf_);
  const Kind missing = demanded ? Kind::refused : Kind::staple;
  if (!staple_) {
    if (!demanded) return std::nullopt;
    return Objection{missing, "must be shown with an OCSP response (must-staple), and has none",
                     "set ocsp_staple beside it"};
  }
  if (staple_->state() == OcspStaple::State::revoked)
    return Objection{Kind::refused, "is revoked, says its OCSP response", "get another one"};
  if (staple_->state() == OcspStaple::State::unknown)
    return Objection{missing, "is not known to the responder, says its OCSP response, which is not shown",
                     fetch};
  if (now >= staple_->ends())
    return Objection{
        missing,
        "has an OCSP response that ended at " + to_rfc3339(staple_->ends()) + " and is not shown any more",
        fetch};
  if (now < staple_->begins())
    return Objection{missing, "has an OCSP response of the future, from " + to_rfc3339(staple_->begins()),
                     "look at the clock, or wait"};
  if (staple_->ends_soon(now))
    return Objection{Kind::staple, "has an OCSP response that ends at " + to_rfc3339(staple_->ends()), fetch};
  return std::nullopt;
}

bool ServerIdentity::is_for(const std::string& host) const {
  return X509_check_host(leaf_.get(), host.data(), host.size(),
                         X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                         nullptr) == 1;
}

}  // namespace sealpost::tls
