// SPDX-License-Identifier: Apache-2.0
#include "ledger/chain.hpp"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <algorithm>
#include <new>

#include "base/text.hpp"

namespace sealpost::ledger {

// Fetched once: looking an algorithm up costs more than hashing a row.
Chain::Chain() : sha256_(EVP_MD_fetch(nullptr, "SHA256", nullptr)), context_(EVP_MD_CTX_new()) {
  if (!sha256_ || !context_) throw std::bad_alloc();
}

void Chain::add(std::string_view payload) {
  unsigned size = 0;
  if (EVP_DigestInit_ex2(context_.get(), sha256_.get(), nullptr) != 1 ||
      EVP_DigestUpdate(context_.get(), hash_.data(), hash_.size()) != 1 ||
      EVP_DigestUpdate(context_.get(), payload.data(), payload.size()) != 1 ||
      EVP_DigestFinal_ex(context_.get(), hash_.data(), &size) != 1)
    throw std::bad_alloc();
}

std::uint32_t Chain::check() const noexcept {
  return static_cast<std::uint32_t>(hash_[0]) << 24U | static_cast<std::uint32_t>(hash_[1]) << 16U |
         static_cast<std::uint32_t>(hash_[2]) << 8U | static_cast<std::uint32_t>(hash_[3]);
}

std::string hex_of(const Sha256& hash) { return text::hex(hash); }

bool read_hash(std::string_view hex, Sha256& into) {
  const auto octets = text::from_hex(hex);
  if (!octets || octets->size() != into.size()) return false;
  std::copy(octets->begin(), octets->end(), into.begin());
  return true;
}

std::string short_text(std::string_view octets) {
  std::string text = text::base64(octets);
  while (!text.empty() && text.back() == '=') text.pop_back();
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

Commitments::Commitments() : mac_(EVP_MAC_fetch(nullptr, "HMAC", nullptr)) {
  if (mac_) context_.reset(EVP_MAC_CTX_new(mac_.get()));
  if (!context_) throw std::bad_alloc();
}

void Commitments::use(std::string_view key) {
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, static_cast<char*>(digest), 0),
      OSSL_PARAM_construct_end()};
  if (EVP_MAC_init(context_.get(), reinterpret_cast<const unsigned char*>(key.data()), key.size(),
                   static_cast<const OSSL_PARAM*>(parameters)) != 1)
    throw std::bad_alloc();
}

std::string Commitments::of(std::string_view address) {
  const std::string plain = text::lower(address);
  std::array<unsigned char, 32> mac{};
  std::size_t got = 0;
  // Begun again with the same key.
  if (EVP_MAC_init(context_.get(), nullptr, 0, nullptr) != 1 ||
      EVP_MAC_update(context_.get(), reinterpret_cast<const unsigned char*>(plain.data()), plain.size()) !=
          1 ||
      EVP_MAC_final(context_.get(), mac.data(), &got, mac.size()) != 1)
    throw std::bad_alloc();
  return std::string(reinterpret_cast<const char*>(mac.data()), size);
}

std::int64_t word_of(std::string_view octets) noexcept {
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < 4 && i < octets.size(); ++i)
    word = word << 8U | static_cast<unsigned char>(octets[i]);
  return static_cast<std::int32_t>(word);  // signed: four octets in the file
}

}  // namespace sealpost::ledger
