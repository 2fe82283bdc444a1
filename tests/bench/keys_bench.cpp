// SPDX-License-Identifier: Apache-2.0
//
// What it costs that private keys live in a process of their own: a signature over a digest made here, and the same
// asked for there. Prints microseconds per signature. Usage: keys_bench [ROUNDS]
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "keys/key_file.hpp"
#include "keys/key_process.hpp"

namespace {

using namespace sealpost;
namespace fs = std::filesystem;

bool write_key(EVP_PKEY* key, const fs::path& path) {
  const int file = ::open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
  if (key == nullptr || file < 0) return false;
  FILE* const stream = ::fdopen(file, "w");
  const bool written = PEM_write_PrivateKey(stream, key, nullptr, nullptr, 0, nullptr, nullptr) == 1;
  return std::fclose(stream) == 0 && written;
}

// Microseconds for one; negative: it failed.
double time_of(const keys::Key& key, int rounds) {
  const std::string digest(32, 'd');
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < rounds; ++i)
    if (!key.sign(digest)) return -1;
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
  return took.count() / rounds;
}

}  // namespace

int main(int count, char** words) {
  const int rounds = count > 1 ? std::atoi(words[1]) : 20'000;
  const fs::path directory = fs::temp_directory_path() / fmt::format("keys_bench-{}", ::getpid());
  fs::create_directory(directory);
  const EvpKeyPtr rsa(EVP_RSA_gen(2048)), ec(EVP_EC_gen("P-256"));
  const bool ready =
      write_key(rsa.get(), directory / "RSA-2048") && write_key(ec.get(), directory / "ECDSA-P-256");
  int status = ready ? EXIT_SUCCESS : EXIT_FAILURE;
  if (auto process = keys::KeyProcess::start({directory.string()}); ready && process) {
    for (const char* kind : {"ECDSA-P-256", "RSA-2048"}) {
      const auto here = keys::FileSource().load(directory / kind, keys::Use::signing);
      const auto there = (*process)->load(directory / kind, keys::Use::signing);
      if (!here || !there) status = EXIT_FAILURE;
      if (status != EXIT_SUCCESS) break;
      const double inside = time_of(**here, rounds), outside = time_of(**there, rounds);
      fmt::print("{}: {:.1f} us in this process, {:.1f} us by the key process\n", kind, inside, outside);
    }
  } else {
    status = EXIT_FAILURE;
  }
  fs::remove_all(directory);
  return status;
}
