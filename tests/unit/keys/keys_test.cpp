// SPDX-License-Identifier: Apache-2.0
#include <doctest.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/digest.hpp"
#include "keys/key_file.hpp"
#include "keys/key_keeper.hpp"
#include "keys/key_process.hpp"

using namespace sealpost;
using namespace sealpost::keys;

namespace {

struct Directory {
  Directory() {
    char name[] = "/tmp/sealpost-keys-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Directory() { std::filesystem::remove_all(path); }
  std::string write(const std::string& name, EVP_PKEY* key, mode_t mode = 0600) const {
    const std::string file = path + "/" + name;
    const FilePtr out(std::fopen(file.c_str(), "w"));
    PEM_write_PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
    ::chmod(file.c_str(), mode);
    return file;
  }
  std::string write_text(const std::string& name, const std::string& text) const {
    const std::string file = path + "/" + name;
    std::ofstream(file) << text;
    ::chmod(file.c_str(), 0600);
    return file;
  }
  std::string path;
};

EvpKeyPtr make(const std::string& kind) {
  if (kind == "RSA") return EvpKeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048}));
  if (kind == "EC") return EvpKeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  return EvpKeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
}

std::string digest_of(std::string_view text) {
  const Sha256 digest = sha256(text);
  return std::string(reinterpret_cast<const char*>(digest.data()), digest.size());
}

// What a receiver of the signature would do with the public key alone.
bool verifies(EVP_PKEY* key, std::string_view text, const std::string& signature) {
  const EvpDigestContextPtr context(EVP_MD_CTX_new());
  const bool ed25519 = EVP_PKEY_is_a(key, "ED25519") != 0;
  const std::string digest = digest_of(text);
  const std::string_view data = ed25519 ? std::string_view(digest) : text;
  return EVP_DigestVerifyInit(context.get(), nullptr, ed25519 ? nullptr : EVP_sha256(), nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                          signature.size(), reinterpret_cast<const unsigned char*>(data.data()),
                          data.size()) == 1;
}

// As libssl does it, with padding (TLS 1.3 wants PSS, RFC 8446 §4.2.3).
std::string sign_as_tls(EVP_PKEY* key, const EVP_MD* digest, int padding, std::string_view text) {
  const EvpDigestContextPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* inner = nullptr;
  const auto* data = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t size = 0;
  if (EVP_DigestSignInit(context.get(), &inner, digest, nullptr, key) != 1) return "init";
  if (padding != 0 && (EVP_PKEY_CTX_set_rsa_padding(inner, padding) != 1 ||
                       (padding == RSA_PKCS1_PSS_PADDING &&
                        EVP_PKEY_CTX_set_rsa_pss_saltlen(inner, RSA_PSS_SALTLEN_DIGEST) != 1)))
    return "padding";
  if (EVP_DigestSign(context.get(), nullptr, &size, data, text.size()) != 1) return "size";
  std::string signature(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, data,
                     text.size()) != 1)
    return "sign";
  signature.resize(size);
  return signature;
}

bool verifies_as_tls(EVP_PKEY* key, const EVP_MD* digest, int padding, std::string_view text,
                     const std::string& signature) {
  const EvpDigestContextPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* inner = nullptr;
  if (EVP_DigestVerifyInit(context.get(), &inner, digest, nullptr, key) != 1) return false;
  if (padding != 0 && EVP_PKEY_CTX_set_rsa_padding(inner, padding) != 1) return false;
  return EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                          signature.size(), reinterpret_cast<const unsigned char*>(text.data()),
                          text.size()) == 1;
}

Request asking(Operation operation, std::string payload, std::uint32_t key = 0) {
  Request request;
  request.operation = operation;
  request.key = key;
  request.payload = std::move(payload);
  return request;
}

}  // namespace

TEST_CASE("T-53 what the key process signs verifies, for every kind of key and as TLS wants it") {
  const Directory directory;
  auto process = KeyProcess::start({directory.path});
  REQUIRE(process);
  for (const char* kind : {"RSA", "EC", "ED25519"}) {
    CAPTURE(kind);
    const EvpKeyPtr original = make(kind);
    const std::string file = directory.write(kind, original.get());
    const auto key = (*process)->load(file, Use::signing);
    REQUIRE(key);
    CHECK((*key)->public_key == *public_key_of(*original));
    const auto signature = (*key)->sign(digest_of("mail"));
    REQUIRE(signature);
    CHECK(verifies(original.get(), "mail", *signature));
    CHECK_FALSE(verifies(original.get(), "other mail", *signature));
  }
  const EvpKeyPtr rsa = make("RSA"), ec = make("EC");
  const auto remote_rsa = (*process)->load(directory.write("tls-rsa", rsa.get()), Use::tls);
  const auto remote_ec = (*process)->load(directory.write("tls-ec", ec.get()), Use::tls);
  REQUIRE(remote_rsa);
  REQUIRE(remote_ec);
  for (const int padding : {RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING})
    for (const EVP_MD* digest : {EVP_sha256(), EVP_sha512()})
      CHECK(verifies_as_tls(rsa.get(), digest, padding, "handshake",
                            sign_as_tls((*remote_rsa)->tls.get(), digest, padding, "handshake")));
  for (const EVP_MD* digest : {EVP_sha256(), EVP_sha384()})
    CHECK(verifies_as_tls(ec.get(), digest, 0, "handshake",
                          sign_as_tls((*remote_ec)->tls.get(), digest, 0, "handshake")));
  // Only OpenSSL's own methods can sign with Ed25519 in a handshake, so that key is handed over, for TLS alone.
  const EvpKeyPtr edwards = make("ED25519");
  const std::string file = directory.write("tls-ed25519", edwards.get());
  const auto handed = (*process)->load(file, Use::tls);
  REQUIRE(handed);
  CHECK(verifies_as_tls(edwards.get(), nullptr, 0, "handshake",
                        sign_as_tls((*handed)->tls.get(), nullptr, 0, "handshake")));
  const auto kept = (*process)->load(file, Use::signing);
  REQUIRE(kept);
  CHECK((*kept)->tls == nullptr);
}

TEST_CASE("T-51 T-52 a file that is no private key, or everybody's, is refused by name") {
  const Directory directory;
  const EvpKeyPtr key = make("EC");
  const std::string open = directory.write("open.pem", key.get(), 0644);
  const std::string text = directory.write_text("text.pem", "no key");
  const std::string empty = directory.write_text("empty.pem", "");
  const std::string fifo = directory.path + "/fifo.pem";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  auto process = KeyProcess::start({directory.path});
  REQUIRE(process);
  const FileSource here;
  for (const Source* source :
       {static_cast<const Source*>(&here), static_cast<const Source*>(process->get())}) {
    for (const std::string& file : {open, text, empty, fifo, directory.path + "/absent.pem"}) {
      const auto loaded = source->load(file, Use::tls);
      REQUIRE_FALSE(loaded);
      CHECK(loaded.error().detail.rfind(file + ": ", 0) == 0);
    }
  }
}

TEST_CASE("T-53 keys outside the directories named at the start are not read") {
  const Directory named, other;
  const EvpKeyPtr key = make("EC");
  named.write("key.pem", key.get());
  const std::string foreign = other.write("key.pem", key.get());
  KeyKeeper keeper({named.path});
  CHECK(keeper.answer(asking(Operation::load, named.path + "/key.pem")).outcome == Outcome::done);
  const std::string last = std::filesystem::path(other.path).filename();
  const std::string with_nul = named.path + "/key.pem" + std::string(1, '\0');
  for (const std::string& path :
       {foreign, named.path + "/../" + last + "/key.pem", std::string("key.pem"), std::string(), with_nul}) {
    CAPTURE(path);
    CHECK(keeper.answer(asking(Operation::load, path)).outcome == Outcome::refused);
  }
  CHECK(keeper.size() == 1);
}

TEST_CASE("a key serves its own operations only, until it is released") {
  const Directory directory;
  const EvpKeyPtr key = make("EC");
  KeyKeeper keeper({directory.path});
  const Answer answer = keeper.answer(asking(Operation::load, directory.write("key.pem", key.get())));
  const auto loaded = decode_loaded(answer.payload);
  REQUIRE(loaded);
  CHECK(loaded->private_key.empty());
  CHECK(keeper.answer(asking(Operation::ecdsa, digest_of("x"), loaded->key)).outcome == Outcome::done);
  CHECK(keeper.answer(asking(Operation::rsa, digest_of("x"), loaded->key)).outcome == Outcome::invalid);
  CHECK(keeper.answer(asking(Operation::ed25519, digest_of("x"), loaded->key)).outcome == Outcome::invalid);
  CHECK(keeper.answer(asking(Operation::ecdsa, digest_of("x"), loaded->key + 1)).outcome == Outcome::invalid);
  keeper.answer(asking(Operation::release, "", loaded->key));
  CHECK(keeper.answer(asking(Operation::ecdsa, digest_of("x"), loaded->key)).outcome == Outcome::invalid);
  CHECK(keeper.size() == 0);
}

TEST_CASE("packets that are not whole are nobody's request") {
  const std::string good = encode(asking(Operation::ecdsa, "digest", 7));
  for (std::size_t size = 0; size < 6; ++size) CHECK_FALSE(decode_request(good.substr(0, size)));
  CHECK_FALSE(decode_request("\x7f" + good.substr(1)));
  CHECK_FALSE(decode_request(good + std::string(largest_input, 'x')));
  CHECK(decode_request(good)->payload == "digest");
  CHECK_FALSE(decode_answer(""));
  CHECK_FALSE(decode_answer("\x7f"));
  Loaded loaded;
  loaded.public_key = "public";
  const std::string payload = encode(loaded);
  for (std::size_t size = 0; size < payload.size(); ++size)
    CHECK_FALSE(decode_loaded(payload.substr(0, size)));
}

TEST_CASE("T-53 many threads sign at once, and a key process that is gone is an error, not a wait") {
  const Directory directory;
  const EvpKeyPtr original = make("EC");
  auto process = KeyProcess::start({directory.path});
  REQUIRE(process);
  const auto key = (*process)->load(directory.write("key.pem", original.get()), Use::signing);
  REQUIRE(key);
  std::atomic<int> good{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 16; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) {
          const auto signature = (*key)->sign(digest_of("mail"));
          if (signature && verifies(original.get(), "mail", *signature)) good.fetch_add(1);
        }
      });
  }
  CHECK(good == 800);
  ::kill((*process)->pid(), SIGKILL);
  int status = 0;
  ::waitpid((*process)->pid(), &status, 0);
  CHECK_FALSE((*key)->sign(digest_of("mail")));
  char octet = 0;
  CHECK(::read((*process)->life(), &octet, 1) == 0);
}
