// SPDX-License-Identifier: Apache-2.0
#include "rules/sha256.hpp"

#include <doctest.h>

#include "base/digest.hpp"

using namespace sealpost;

TEST_CASE("SHA-256 of the rules gives what FIPS 180-4 says") {
  CHECK(rules::sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(rules::sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(rules::sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(rules::sha256_hex(std::string(1'000'000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("SHA-256 of the rules is that of OpenSSL, whatever the length leaves in the last block") {
  std::string octets;
  for (int length = 0; length < 260; ++length) {
    CAPTURE(length);
    CHECK(rules::sha256_hex(octets) == sealpost::sha256_hex(octets));
    octets += static_cast<char>(length * 7 + 128);
  }
}
