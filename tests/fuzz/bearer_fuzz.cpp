// SPDX-License-Identifier: Apache-2.0
//
// What a client says in OAUTHBEARER and XOAUTH2, tokens and key sets: no token is good but one that was signed, nothing of what
// was said is in what we log, and what was parsed and printed parses to the same again.
// Input: a message, or a token, or a key set.
#include <cstdint>
#include <string>
#include <string_view>

#include "auth/bearer.hpp"
#include "auth/token.hpp"
#include "require.hpp"

namespace {

using namespace sealpost;
using namespace sealpost::auth;

// The key of RFC 8037 §A.2, whose secret anybody knows, and what was signed with it for the corpus.
constexpr std::string_view keys =
    R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})";
constexpr std::string_view account = "anna@example.org";

TokenRules make_rules() {
  TokenRules rules;
  rules.issuer = "https://login.example";
  rules.audiences = {"sealpost"};
  auto parsed = TokenKeys::parse(keys);
  require(static_cast<bool>(parsed));
  rules.keys = std::make_shared<const TokenKeys>(std::move(*parsed));
  return rules;
}

void look_at_token(std::string_view token) {
  static const TokenRules rules = make_rules();
  const Believed time(SystemTime(std::chrono::sys_days{std::chrono::year{2026} / 1 / 5}));
  const TokenVerdict verdict = verify_token(token, rules, time);
  require((verdict.fault == TokenFault::none) == verdict.why.empty());
  require(verdict.account.empty() || (verdict.fault == TokenFault::none && verdict.account == account));
  require(token.size() <= longest_token || verdict.fault == TokenFault::invalid);
}

std::string name_text(const std::string& name) {
  std::string text;
  for (const char c : name) text += c == ',' ? "=2C" : c == '=' ? "=3D" : std::string(1, c);
  return text.empty() ? text : "a=" + text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view said(reinterpret_cast<const char*>(data), size);
  look_at_token(said);
  if (const auto heard = parse_oauthbearer(said)) {
    look_at_token(heard->token.view());
    const std::string again = "n," + name_text(heard->authorization) + ",\001auth=Bearer " +
                              std::string(heard->token.view()) + "\001\001";
    const auto same = parse_oauthbearer(again);
    require(same && same->authorization == heard->authorization && same->token == heard->token);
  }
  if (const auto heard = parse_xoauth2(said)) {
    look_at_token(heard->token.view());
    require(!heard->authorization.empty() && !heard->token.empty());
  }
  if (const auto set = TokenKeys::parse(said)) {
    require(!set->all().empty() && set->all().size() <= most_token_keys);
    for (const TokenKeys::Key& key : set->all()) require(!is_signed_by(key, said, "no signature"));
  }
  return 0;
}
