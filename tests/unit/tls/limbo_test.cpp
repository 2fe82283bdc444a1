// SPDX-License-Identifier: Apache-2.0
//
// T-08: a public suite of certificate chains (tests/unit/tls/limbo), each verified as a mail host's would be. Our result is
// that of the suite, or else the case stands in docs/certificates.md with the reason; and always that of `openssl verify`.
#include <doctest.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <zlib.h>

#include <charconv>
#include <ctime>
#include <fstream>
#include <iterator>
#include <set>

#include "base/text.hpp"
#include "certificates.hpp"
#include "openssl_command.hpp"
#include "sealpost/verdict.hpp"
#include "tls/certificate.hpp"
#include "tls/trust_store.hpp"
#include "tls/verify.hpp"

namespace sealpost::test {

namespace {

constexpr std::time_t usual_time = 1767225600;  // 2026-01-01: fixed, so that what is true today stays true

struct Case {
  std::string id;
  bool expected_ok = false;
  std::time_t at = usual_time;
  std::string dns_name;   // to be matched; empty: an address, which a mail host is never verified by
  bool any_name = false;  // the case is about the chain alone
  std::string leaf, others, roots;  // PEM
};

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(at, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::string pem_of(const std::string& column) {
  std::string pem;
  if (column == "-") return pem;
  for (const std::string& der : split(column, ',')) {
    pem += "-----BEGIN CERTIFICATE-----\n";
    for (std::size_t i = 0; i < der.size(); i += 64) pem += der.substr(i, 64) + "\n";
    pem += "-----END CERTIFICATE-----\n";
  }
  return pem;
}

Case case_of(const std::string& line) {
  const auto columns = split(line, '\t');
  REQUIRE(columns.size() == 7);
  Case one;
  one.id = columns[0];
  one.expected_ok = columns[1] == "ok";
  if (columns[2] != "-") std::from_chars(columns[2].data(), columns[2].data() + columns[2].size(), one.at);
  one.any_name = columns[3] == "-";
  if (columns[3].starts_with("DNS:")) one.dns_name = columns[3].substr(4);
  one.leaf = pem_of(columns[4]);
  one.others = pem_of(columns[5]);
  one.roots = pem_of(columns[6]);
  return one;
}

std::vector<Case> all_cases() {
  gzFile file = ::gzopen(LIMBO_CASES, "rb");
  REQUIRE(file != nullptr);
  std::string text;
  char piece[65536];
  for (int got = 0; (got = ::gzread(file, piece, sizeof piece)) > 0;)
    text.append(piece, static_cast<std::size_t>(got));
  ::gzclose(file);
  std::vector<Case> cases;
  for (const std::string& line : split(text, '\n'))
    if (!line.empty()) cases.push_back(case_of(line));
  return cases;
}

std::vector<X509Ptr> certificates_in(const std::string& pem) {
  std::vector<X509Ptr> found;
  const BioPtr in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  while (X509* one = PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)) found.emplace_back(one);
  ERR_clear_error();
  return found;
}

struct Ours {
  bool chain_ok = false, name_ok = false;
  std::string token;
};

Ours verified_by_us(const Case& one) {
  Ours ours;
  const auto store = tls::TrustStore::from_pem(one.roots);
  const auto leaf = certificates_in(one.leaf);
  const auto others = certificates_in(one.others);
  if (!store || leaf.size() != 1) {  // OpenSSL would refuse such a certificate in the handshake already
    ours.token = "unreadable";
    return ours;
  }
  std::vector<const X509*> presented;
  for (const X509Ptr& other : others) presented.push_back(other.get());
  const X509StackPtr stack = stack_of(presented);
  const auto result =
      tls::verify_webpki(**store, *leaf.front(), stack.get(), SystemTime(std::chrono::seconds(one.at)))
          .result;
  ours.chain_ok = result.ok();
  ours.token = result.token;
  const auto names = tls::read_certificate(*leaf.front()).dns_names;
  ours.name_ok = one.any_name || (!one.dns_name.empty() && names_match(names, one.dns_name));
  return ours;
}

// The ids that the page lists: each at the beginning of a table's row, in backticks.
std::set<std::string> listed_differences() {
  std::ifstream page(CERTIFICATES_PAGE);
  REQUIRE(page.good());
  std::set<std::string> ids;
  for (std::string line; std::getline(page, line);)
    if (line.starts_with("| `") && line.find("::") != line.npos)
      ids.insert(line.substr(3, line.find('`', 3) - 3));
  return ids;
}

}  // namespace

TEST_CASE("T-08: the public suite: our result, the suite's, and the page that lists where they differ") {
  const auto cases = all_cases();
  CHECK(cases.size() >= 171);
  std::set<std::string> different;
  for (const Case& one : cases) {
    const Ours ours = verified_by_us(one);
    if ((ours.chain_ok && ours.name_ok) == one.expected_ok) continue;
    different.insert(one.id);
    if (!listed_differences().contains(one.id))
      MESSAGE(one.id, ": suite ", std::string(one.expected_ok ? "ok" : "fail"), ", ours chain ", ours.token,
              " name ", ours.name_ok);
  }
  CHECK(different == listed_differences());
}

TEST_CASE("T-08: the public suite: `openssl verify` agrees about every chain") {
  if (!have_openssl_command()) {
    MESSAGE("skipped: no openssl command");
    return;
  }
  for (const Case& one : all_cases()) {
    CAPTURE(one.id);
    const Ours ours = verified_by_us(one);
    const CommandResult theirs = openssl_verify(one.leaf, one.others, one.roots, one.at);
    CAPTURE(theirs.output);
    CAPTURE(ours.token);
    CHECK(ours.chain_ok == theirs.ok);
  }
}

}  // namespace sealpost::test
