// SPDX-License-Identifier: Apache-2.0
#include "scripted_tls.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.hpp"

namespace sealpost::sim {

namespace {

constexpr std::size_t longest_hello = 512;
constexpr int webpki_expired = 10, webpki_self_signed = 18, dane_no_match = 65;  // X509_V_ERR_*

class SealedStream final : public event::Stream {
 public:
  explicit SealedStream(std::unique_ptr<event::Stream> lower)
      : Stream(lower->loop()), lower_(std::move(lower)) {}

  event::IoResult try_read(std::span<char> into) noexcept override {
    const event::IoResult result = lower_->try_read(into);
    if (result.state == event::IoState::done) seal(into.subspan(0, result.bytes));
    return result;
  }
  event::IoResult try_write(std::string_view bytes) noexcept override {
    std::array<char, 4096> sealed;
    const std::size_t count = std::min(bytes.size(), sealed.size());
    std::copy_n(bytes.data(), count, sealed.data());
    seal(std::span(sealed).subspan(0, count));
    return lower_->try_write(std::string_view(sealed.data(), count));
  }
  Error error() const override { return lower_->error(); }
  Endpoint peer() const override { return lower_->peer(); }
  Endpoint local() const override { return lower_->local(); }
  bool may_progress(event::Interest interest) const noexcept override {
    return lower_->may_progress(interest);
  }
  void close() noexcept override { lower_->close(); }

 protected:
  bool arm(event::Interest interest, event::StreamWait& waiter) noexcept override {
    return arm_below(*lower_, interest, waiter);
  }
  void disarm(event::Interest interest, event::StreamWait& waiter) noexcept override {
    disarm_below(*lower_, interest, waiter);
  }

 private:
  // Not inlined: GCC 12 vectorises the loop for the caller that reads one octet at a time, and then
  // warns of the vector's width (-Wstringop-overflow).
  [[gnu::noinline]] static void seal(std::span<char> bytes) noexcept {
    for (char& c : bytes) c = static_cast<char>(c ^ '\xA5');
  }
  std::unique_ptr<event::Stream> lower_;
};

// One line, octet by octet: what follows it is sealed already.
event::Task<Expected<std::string>> read_hello(event::Stream& stream, SteadyTime end) {
  std::string line;
  while (line.size() < longest_hello) {
    char octet = 0;
    const event::IoResult result = stream.try_read(std::span(&octet, 1));
    if (result.state == event::IoState::done) {
      if (octet == '\n') co_return line;
      line += octet;
    } else if (result.state == event::IoState::would_block) {
      const bool ready = co_await stream.wait(event::Interest::read, end - stream.loop().now());
      if (!ready) co_return Error(Errc::timed_out, "handshake timed out");
    } else {
      co_return Error(Errc::closed, "connection lost in handshake");
    }
  }
  co_return Error(Errc::tls, "wrong-version-number");
}

event::Task<Expected<void>> write_hello(event::Stream& stream, std::string line, SteadyTime end) {
  std::string_view left = line;
  while (!left.empty()) {
    const event::IoResult result = stream.try_write(left);
    if (result.state == event::IoState::done) {
      left.remove_prefix(result.bytes);
    } else if (result.state == event::IoState::would_block) {
      const bool ready = co_await stream.wait(event::Interest::write, end - stream.loop().now());
      if (!ready) co_return Error(Errc::timed_out, "handshake timed out");
    } else {
      co_return Error(Errc::closed, "connection lost in handshake");
    }
  }
  co_return Expected<void>();
}

DaneChain match_tlsa(const std::vector<TlsaRecord>& records, const std::string& key) {
  DaneChain dane;
  dane.records_digest = tlsa_digest(records);
  dane.chain.code = dane_no_match;
  dane.chain.token = "X509_V_ERR_DANE_NO_MATCH";
  for (const TlsaRecord& record : records) {
    if (text::hex(record.data) != key) continue;
    dane.chain = ChainResult();
    dane.matched_usage = record.usage;
  }
  return dane;
}

HandshakeFacts facts_of(const std::vector<std::string_view>& words, const tls::ClientOptions& options,
                        SystemTime now) {
  auto certificate = std::make_shared<CertificateFacts>();
  certificate->subject = "CN = " + std::string(words[1]);
  certificate->dns_names.emplace_back(words[1]);
  certificate->spki_sha256 = words[2];
  certificate->certificate_sha256 = words[2];
  certificate->leaf_expires = certificate->chain_expires = now + std::chrono::days(90);
  if (words[3] == "expired") {
    certificate->chain_expires = now - std::chrono::days(1);
    certificate->webpki.code = webpki_expired;
    certificate->webpki.token = "X509_V_ERR_CERT_HAS_EXPIRED";
  } else if (words[3] == "untrusted") {
    certificate->webpki.code = webpki_self_signed;
    certificate->webpki.token = "X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT";
  }
  if (!options.tlsa.empty()) certificate->dane = match_tlsa(options.tlsa, certificate->spki_sha256);
  HandshakeFacts facts;
  facts.version = TlsVersion::tls1_3;
  facts.cipher = "TLS_AES_256_GCM_SHA384";
  facts.group = "X25519";
  facts.certificate = std::move(certificate);
  return facts;
}

}  // namespace

event::Task<Expected<tls::Secured>> ScriptedTls::handshake(std::unique_ptr<event::Stream> plain,
                                                           tls::ClientOptions options, Duration limit) {
  const SteadyTime end = event::deadline(loop_.now(), limit);
  auto asked = co_await write_hello(*plain, "\x16 " + options.server_name + "\n", end);
  if (!asked) co_return std::move(asked).error();
  auto hello = co_await read_hello(*plain, end);
  if (!hello) co_return std::move(hello).error();
  const auto words = text::split(*hello, ' ');
  if (words.size() != 4 || words[0] != "\x16") co_return Error(Errc::tls, "sslv3-alert-handshake-failure");
  tls::Secured secured(std::make_unique<SealedStream>(std::move(plain)),
                       facts_of(words, options, loop_.wall()));
  co_return std::move(secured);
}

event::Task<std::unique_ptr<event::Stream>> accept_scripted(std::unique_ptr<event::Stream> plain,
                                                            std::optional<Certificate> certificate,
                                                            Duration limit) {
  const SteadyTime end = event::deadline(plain->loop().now(), limit);
  auto hello = co_await read_hello(*plain, end);
  if (!hello) co_return nullptr;
  std::string answer = "\x15 handshake_failure\n";
  if (certificate) {
    const char* chain = certificate->expired ? "expired" : certificate->trusted ? "trusted" : "untrusted";
    answer = "\x16 " + certificate->name + " " + certificate->key + " " + chain + "\n";
  }
  auto answered = co_await write_hello(*plain, answer, end);
  if (!answered || !certificate) co_return nullptr;
  co_return std::make_unique<SealedStream>(std::move(plain));
}

}  // namespace sealpost::sim
