// SPDX-License-Identifier: Apache-2.0
#include "auth/token.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "auth/password.hpp"
#include "base/i_json.hpp"
#include "base/text.hpp"

namespace sealpost::auth {
namespace {

using Json = nlohmann::json;

constexpr std::chrono::seconds leeway{60};  // between the issuer's clock and ours (RFC 7519 §4.1.4)

TokenVerdict fault(TokenFault which, const char* why) {
  TokenVerdict verdict;
  verdict.fault = which;
  verdict.why = why;
  return verdict;
}
TokenVerdict invalid_token(const char* why) { return fault(TokenFault::invalid, why); }

std::optional<Json> object_of(std::string_view part) {
  const auto text = from_base64url(part);
  if (!text) return std::nullopt;
  JsonBounds bounds;
  bounds.depth = 8;
  bounds.values = 2000;
  auto json = parse_i_json(*text, bounds);
  if (!json || !json->is_object()) return std::nullopt;
  return std::move(*json);
}

std::string text_of(const Json& object, const std::string& name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<TokenAlgorithm> algorithm_of(std::string_view name) {
  if (name == "RS256") return TokenAlgorithm::rs256;
  if (name == "ES256") return TokenAlgorithm::es256;
  if (name == "EdDSA" || name == "Ed25519") return TokenAlgorithm::eddsa;  // RFC 8037 §3.1, RFC 9864
  return std::nullopt;
}

// Tokens for other purposes are signed by the same keys (RFC 8725 §3.11).
bool is_access_type(const Json& header) {
  if (!header.contains("typ")) return true;
  const std::string type = text::lower(text_of(header, "typ"));
  return type == "jwt" || type == "at+jwt" || type == "application/at+jwt";
}

// A NumericDate (RFC 7519 §2), which may have a fraction. Nothing: it is none.
std::optional<SystemTime> date_of(const Json& claims, const char* name) {
  const auto found = claims.find(name);
  if (found == claims.end() || !found->is_number()) return std::nullopt;
  const double seconds = found->get<double>();
  constexpr double most = 1e11;  // some thousands of years
  if (!(seconds >= 0 && seconds <= most)) return std::nullopt;
  return SystemTime(std::chrono::duration_cast<SystemTime::duration>(
      std::chrono::seconds(static_cast<std::int64_t>(std::floor(seconds)))));
}

// A text, or an array of them: is one of `wanted` among them?
bool names_one_of(const Json& claims, const char* name, const std::vector<std::string>& wanted) {
  const auto found = claims.find(name);
  if (found == claims.end()) return false;
  const auto is_wanted = [&](const Json& value) {
    return value.is_string() &&
           std::find(wanted.begin(), wanted.end(), value.get_ref<const std::string&>()) != wanted.end();
  };
  return found->is_array() ? std::any_of(found->begin(), found->end(), is_wanted) : is_wanted(*found);
}

// RFC 8693 §4.2 has a text with blanks, and others an array, or another name.
bool has_scope(const Json& claims, const std::string& scope) {
  for (const char* name : {"scope", "scp"}) {
    if (names_one_of(claims, name, {scope})) return true;
    const std::string all = text_of(claims, name);
    const std::vector<std::string_view> words = text::split(all, ' ');
    if (std::find(words.begin(), words.end(), scope) != words.end()) return true;
  }
  return false;
}

// Under both readings of a clock that is in doubt (T-50).
const char* wrong_by_date(const Json& claims, const Believed& time) {
  const auto ends = date_of(claims, "exp");
  if (!ends) return "the token has no end (exp)";
  if (time.latest >= *ends + leeway) return "the token has expired";
  if (!claims.contains("nbf")) return nullptr;
  const auto begins = date_of(claims, "nbf");
  if (!begins) return "the token's beginning (nbf) is no date";
  return time.earliest + leeway < *begins ? "the token is not valid yet" : nullptr;
}

}  // namespace

TokenVerdict verify_token(std::string_view token, const TokenRules& rules, const Believed& time) {
  if (token.size() > longest_token) return invalid_token("the token is longer than 8192 octets");
  const std::vector<std::string_view> parts = text::split(token, '.');
  if (parts.size() != 3) return invalid_token("the token is no JWT with a signature");
  const auto header = object_of(parts[0]);
  if (!header) return invalid_token("the token's header cannot be read");
  // "none", HMAC with a public key for its secret, and whatever is to come.
  const auto algorithm = algorithm_of(text_of(*header, "alg"));
  if (!algorithm)
    return invalid_token("the token is signed by another algorithm than RS256, ES256 and EdDSA");
  if (header->contains("crit") || header->contains("b64"))
    return invalid_token("the token has extensions that must be understood");
  if (!is_access_type(*header)) return invalid_token("the token is of another type than at+jwt");
  if (header->contains("kid") && text_of(*header, "kid").empty())
    return invalid_token("the token names its key by nothing");
  const TokenKeys::Key* const key = rules.keys->find(*algorithm, text_of(*header, "kid"));
  if (key == nullptr)
    return invalid_token("the token is signed by a key that the key set has not, or does not say which");
  const auto signature = from_base64url(parts[2]);
  const std::string_view said = token.substr(0, parts[0].size() + 1 + parts[1].size());
  if (!signature || !is_signed_by(*key, said, *signature))
    return invalid_token("the token's signature is wrong");

  const auto claims = object_of(parts[1]);
  if (!claims) return invalid_token("the token's claims cannot be read");
  if (text_of(*claims, "iss") != rules.issuer) return invalid_token("the token is of another issuer");
  if (!names_one_of(*claims, "aud", rules.audiences))
    return invalid_token("the token is for another audience");
  if (const char* why = wrong_by_date(*claims, time)) return invalid_token(why);
  if (!rules.scope.empty() && !has_scope(*claims, rules.scope))
    return fault(TokenFault::insufficient, "the token has not the scope");
  auto account = prepared_name(text_of(*claims, rules.account_claim));
  if (!account) return invalid_token("the token names no account");
  TokenVerdict verdict;
  verdict.fault = TokenFault::none;
  verdict.account = std::move(*account);
  return verdict;
}

}  // namespace sealpost::auth
