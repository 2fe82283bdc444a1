// SPDX-License-Identifier: Apache-2.0
//
// Certificate names: our comparison and OpenSSL's agree on generated names.
#include <doctest.h>

#include <algorithm>
#include <random>

#include "base/openssl_handles.hpp"
#include "sealpost/verdict.hpp"

using namespace sealpost;

namespace {

X509Ptr certificate_for(const std::string& name) {
  X509Ptr certificate(X509_new());
  const GeneralNamesPtr names(GENERAL_NAMES_new());
  GENERAL_NAME* entry = GENERAL_NAME_new();
  ASN1_IA5STRING* text = ASN1_IA5STRING_new();
  REQUIRE(ASN1_STRING_set(text, name.data(), static_cast<int>(name.size())) == 1);
  GENERAL_NAME_set0_value(entry, GEN_DNS, text);
  REQUIRE(sk_GENERAL_NAME_push(names.get(), entry) > 0);
  REQUIRE(X509_add1_ext_i2d(certificate.get(), NID_subject_alt_name, names.get(), 0, 0) == 1);
  return certificate;
}

bool openssl_matches(const std::string& name, const std::string& reference) {
  const unsigned flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
  return X509_check_host(certificate_for(name).get(), reference.data(), reference.size(), flags, nullptr) ==
         1;
}

std::string random_name(std::mt19937& random, std::initializer_list<const char*> labels) {
  std::string name;
  for (unsigned count = 1 + random() % 4; count > 0; --count) {
    if (!name.empty()) name += '.';
    name += labels.begin()[random() % labels.size()];
  }
  return name;
}

}  // namespace

TEST_CASE("T-08 names match as OpenSSL's do") {
  std::mt19937 random(20260101);
  int matched = 0, by_wildcard = 0;
  for (int i = 0; i < 50'000; ++i) {
    const std::string name = random_name(random, {"a", "b", "A", "*", "*", "xn--a", "a*", "*b", "a-b"});
    std::string reference = random_name(random, {"a", "b", "B", "xn--a", "a-b"});
    if (i % 2 == 0)
      reference += name.substr(std::min(name.find('.'), name.size()));  // often below the same parent
    if (reference.find('*') != reference.npos) continue;                // no host is called so
    const bool ours = names_match({name}, reference);
    CAPTURE(name);
    CAPTURE(reference);
    CHECK(ours == openssl_matches(name, reference));
    matched += ours ? 1 : 0;
    by_wildcard += ours && name.front() == '*' ? 1 : 0;
  }
  CHECK(matched > 500);
  CHECK(by_wildcard > 100);
}
