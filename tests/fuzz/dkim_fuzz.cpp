// SPDX-License-Identifier: Apache-2.0
//
// A message that is to be signed while it passes: the author's domain is a plain name or there is none; however the body
// is cut, the signature is the same; what is put in front is whole fields; a message that was signed is not signed twice.
#include <cstdint>
#include <string>

#include "base/text.hpp"
#include "mail/address.hpp"
#include "mail/author.hpp"
#include "mail/header.hpp"
#include "mail/relay_signing.hpp"
#include "require.hpp"

namespace {

using namespace sealpost;

std::shared_ptr<const DkimKeyring> keys() {
  const auto key = DkimKey::from_pem(
      "-----BEGIN PRIVATE KEY-----\n"
      "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
      "-----END PRIVATE KEY-----\n");
  const DkimSigner signer{"b.example", "s1", key.value()};
  return std::make_shared<const DkimKeyring>(std::vector<DkimSigner>{signer});
}

struct Result {
  std::string fields, outcome;
};

Result sign(std::string_view message, std::size_t first, std::size_t slice) {
  static const auto ring = keys();
  RelaySigning signing(ring);
  signing.add(message.substr(0, first));
  for (std::size_t at = first; at < message.size(); at += slice) signing.add(message.substr(at, slice));
  Result result;
  result.fields = signing.finish(SystemTime(std::chrono::seconds(1'772'000'000)));
  result.outcome = signing.outcome();
  return result;
}

// Intake takes CRLF line ends only.
std::string with_crlf(std::string_view text) {
  std::string all;
  for (const char c : text) {
    if (c == '\r') continue;
    if (c == '\n') all += '\r';
    all += c;
  }
  return all + "\r\n";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string message = with_crlf(std::string_view(reinterpret_cast<const char*>(data), size));
  for (const auto& domain : {author_domain(message), author_domain_of(message)})
    require(!domain || (is_domain_name(*domain) && text::lower(*domain) == *domain));

  const auto end = message.find("\r\n\r\n");
  const std::size_t head = message.starts_with("\r\n") ? 2 : end == message.npos ? message.size() : end + 4;
  const Result whole = sign(message, message.size(), 1);
  require(sign(message, head, 3).fields == whole.fields);
  require(whole.fields.empty() || whole.fields.ends_with("\r\n"));
  if (whole.fields.empty()) return 0;
  HeaderReader reader(whole.fields);
  HeaderField field;
  require(reader.next(field) && field.name == "DKIM-Signature" && !reader.next(field));
  const std::string passed = whole.fields + "Received: by us; now\r\n" + message;  // as intake stores it
  const Result again = sign(passed, passed.size(), 1);
  require(again.fields.empty() && again.outcome == "already");
  return 0;
}
